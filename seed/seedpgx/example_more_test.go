package seedpgx_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// shipping seeds an empty database from a short history of orders, and prints the two
// numbers of a query.
func shipping(into func(seedpgx.Database) (seed.Target, error), query string) error {
	orders, _, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	database, drop, err := testdb.ForExample()
	if err != nil {
		return err
	}
	defer drop()
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	target, err := into(seedpgx.Open(pool))
	if err != nil {
		return err
	}
	if err := seed.Run(ctx, seed.Config{From: []string{orders}, Into: target}); err != nil {
		return err
	}
	var first, second int
	if err := pool.QueryRow(ctx, query).Scan(&first, &second); err != nil {
		return err
	}
	fmt.Println(first, second)
	return nil
}

// The inbox keeps every event as it came, in a table that is made where it is missing.
func ExampleDatabase_Inbox() {
	into := func(shipping seedpgx.Database) (seed.Target, error) { return shipping.Inbox(), nil }
	if err := shipping(into, "SELECT count(*), max(position) FROM eventfeed_inbox.events"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 5 5
}

// A projection is a file of SQL: what it says for a type of events runs for each of them,
// in the transaction that moves the checkpoint on.
func ExampleDatabase_Projection() {
	into := func(shipping seedpgx.Database) (seed.Target, error) {
		return shipping.Projection(seed.Projection{Name: "orders.sql", Text: []byte(`
			CREATE TABLE orders (id text PRIMARY KEY, customer text, shipped boolean NOT NULL DEFAULT false);
-- on OrderCreated
			INSERT INTO orders (id, customer) VALUES (:subject, :data ->> 'customer');
-- on OrderShipped
			UPDATE orders SET shipped = true WHERE id = :subject;
		`)})
	}
	if err := shipping(into, "SELECT count(*), count(*) FILTER (WHERE shipped) FROM orders"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 2
}

// A program takes events on its standard input, one a line, and prints the position of
// each that it is done with.
func ExampleDatabase_Program() {
	into := func(shipping seedpgx.Database) (seed.Target, error) {
		return shipping.Program(seed.Program{
			Command: `while read -r event; do expr "$event" : '.*"efposition":"\([0-9]*\)"'; done`,
		}), nil
	}
	if err := shipping(into, "SELECT count(*), max(position) FROM eventfeed_seed.checkpoints"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 5
}
