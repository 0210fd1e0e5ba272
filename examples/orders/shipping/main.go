// Command shipping is a shipping service that fills its own table from the
// feed of the order service: all of the history first, then what is new.
//
//	shipping --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db --follow
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

const schema = `CREATE TABLE IF NOT EXISTS shipments (
	order_id      TEXT   PRIMARY KEY,
	customer      TEXT   NOT NULL,
	address       TEXT   NOT NULL,
	status        TEXT   NOT NULL, -- of the order: created, approved, paid, prepared, shipped, delivered
	last_position BIGINT NOT NULL  -- of the event that the row is from
)`

func main() {
	from := flag.String("from", "http://127.0.0.1:8080/feeds/orders", "URL of the feed")
	into := flag.String("into", "sqlite:shipping.db", "database of the shipping service: sqlite:PATH or postgres://…")
	follow := flag.Bool("follow", false, "go on at the end of the feed, with what is new")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *from, *into, *follow)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shipping:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, from, into string, follow bool) error {
	target, closeTarget, err := open(ctx, into)
	if err != nil {
		return err
	}
	defer closeTarget()
	var last seed.Progress
	err = seed.Run(ctx, seed.Config{From: []string{from}, Into: target, Follow: follow, Progress: func(p seed.Progress) { last = p }})
	if err != nil {
		return err
	}
	fmt.Printf("%d events applied, now at position %d\n", last.Applied, last.Feeds[0].Position)
	return nil
}

// execute runs a statement in the transaction that also moves the checkpoint
// on, and returns how many rows it changed.
type execute func(statement string, arguments ...any) (int64, error)

// apply brings the shipments up to date with a batch of events.
func apply(b seed.Batch, exec execute) error {
	for _, e := range b.Events {
		if err := applyOne(e, exec); err != nil {
			return fmt.Errorf("%s %s at position %d: %w", e.Type, e.Subject, e.Position, err)
		}
	}
	return nil
}

// applyOne may count on each event coming exactly once, in order. So it needs
// no ON CONFLICT, and a row that is not there is an error.
func applyOne(e event.Delivered, exec execute) error {
	var data struct {
		Customer string `json:"customer"`
		Address  string `json:"address"`
	}
	switch e.Type {
	case "OrderCreated":
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return err
		}
		_, err := exec("INSERT INTO shipments (order_id, customer, address, status, last_position) VALUES ($1, $2, $3, 'created', $4)",
			e.Subject, data.Customer, data.Address, e.Position)
		return err
	case "AddressChanged":
		if err := json.Unmarshal(e.Data, &data); err != nil {
			return err
		}
		return update(e, "address", data.Address, exec)
	case "OrderApproved", "OrderPaid", "OrderPrepared", "OrderShipped", "OrderDelivered":
		return update(e, "status", strings.ToLower(strings.TrimPrefix(e.Type, "Order")), exec)
	default:
		return nil // the shop may come to tell more than shipping needs
	}
}

func update(e event.Delivered, column, value string, exec execute) error {
	n, err := exec("UPDATE shipments SET "+column+" = $1, last_position = $2 WHERE order_id = $3", value, e.Position, e.Subject)
	if err == nil && n != 1 {
		err = errors.New("there is no such order")
	}
	return err
}

// open makes the table and returns the database as a target. The two differ
// only in the type of the transaction.
func open(ctx context.Context, database string) (target seed.Target, closeTarget func(), err error) {
	path, isSQLite := strings.CutPrefix(database, "sqlite:")
	if isSQLite {
		return seedsqlite.Open(path).Handle(func(ctx context.Context, tx *sql.Tx, b seed.Batch) error {
			return apply(b, func(statement string, arguments ...any) (int64, error) {
				result, err := tx.ExecContext(ctx, statement, arguments...)
				if err != nil {
					return 0, err
				}
				return result.RowsAffected()
			})
		}), func() {}, createSQLite(ctx, path)
	}
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return target, nil, err
	}
	if _, err := pool.Exec(ctx, schema); err != nil {
		pool.Close()
		return target, nil, err
	}
	return seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, b seed.Batch) error {
		return apply(b, func(statement string, arguments ...any) (int64, error) {
			tag, err := tx.Exec(ctx, statement, arguments...)
			return tag.RowsAffected(), err
		})
	}), pool.Close, nil
}

func createSQLite(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(path)+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, schema)
	return errors.Join(err, db.Close())
}
