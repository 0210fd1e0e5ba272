package outbox_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/outbox"
)

// A service on PostgreSQL pays an order and says so, both or neither. The UPDATE
// locks the order's row until the commit, so the events of one order are in the
// feed in the order of its transactions.
func ExampleAppend() {
	database, drop := ordersInPostgres() // with a table orders, and the feed orders
	defer drop()
	if err := payWithPgx(context.Background(), database); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 new event, with an id of 36 characters
}

func payWithPgx(ctx context.Context, database string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()

	var result outbox.Result
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE orders SET paid = TRUE WHERE id = $1", "o-1"); err != nil {
			return err
		}
		result, err = outbox.Append(ctx, tx, "orders", event.Event{Type: "OrderPaid", Subject: "o-1"})
		return err
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d new event, with an id of %d characters\n", result.New, len(result.IDs[0]))
	return nil
}

// A service on SQLite gives its events ids of its own, so it may repeat a
// transaction whose outcome it does not know: an event that is in the feed
// already is skipped.
func ExampleAppendSQL() {
	path, remove := ordersInSQLite() // with the feed orders
	defer remove()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	for range 2 {
		if err := payWithSQL(context.Background(), db); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 1 new of [payment-7]
	// 0 new of [payment-7]
}

func payWithSQL(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	result, err := outbox.AppendSQL(ctx, tx, "orders", event.Event{
		ID:              "payment-7",
		Type:            "OrderPaid",
		Subject:         "o-1",
		DataContentType: "application/json",
		Data:            []byte(`{"amount":5}`),
	})
	if err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	fmt.Println(result.New, "new of", result.IDs)
	return nil
}

// Two clerks have loaded order o-1 at version 0, and both decide to create it. One of
// them is too late, and learns at which version the order is by now.
func ExampleAppendSQLExpecting() {
	path, remove := ordersInSQLite() // with the feed orders, which has entities
	defer remove()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	for _, clerk := range []string{"anna", "bob"} {
		ctx := outbox.WithAuth(context.Background(), outbox.Auth{Type: "user", ID: clerk})
		err := createOrder(ctx, db)
		if conflict, is := errors.AsType[*outbox.VersionError](err); is {
			fmt.Println(clerk, "is too late:", conflict.Subject, "is at version", conflict.Version)
		} else {
			fmt.Println(clerk, err)
		}
	}
	// Output:
	// anna <nil>
	// bob is too late: o-1 is at version 1
}

func createOrder(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	_, err = outbox.AppendSQLExpecting(ctx, tx, "orders", outbox.Versions{"o-1": 0}, event.Event{Type: "OrderCreated", Subject: "o-1"})
	if err != nil {
		return err
	}
	return tx.Commit()
}
