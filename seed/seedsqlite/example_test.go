package seedsqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// The inbox keeps every event as it came, in a table that is made where it is missing.
func ExampleDatabase_Inbox() {
	orders, folder, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	path := filepath.Join(folder, "shipping.db")

	err := seed.Run(context.Background(), seed.Config{From: []string{orders}, Into: seedsqlite.Open(path).Inbox()})
	if err != nil {
		fmt.Println(err)
		return
	}
	show(path, "SELECT count(*), max(position) FROM eventfeed_inbox_events")
	// Output:
	// 5 5
}

// A projection is a file of SQL: what it says for a type of events runs for each of them,
// in the transaction that moves the checkpoint on.
func ExampleDatabase_Projection() {
	orders, folder, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	path := filepath.Join(folder, "shipping.db")

	target, err := seedsqlite.Open(path).Projection(seed.Projection{Name: "orders.sql", Text: []byte(`
		CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT, shipped INTEGER NOT NULL DEFAULT 0);
-- on OrderCreated
		INSERT INTO orders (id, customer) VALUES (:subject, :data ->> 'customer');
-- on OrderShipped
		UPDATE orders SET shipped = 1 WHERE id = :subject;
	`)})
	if err == nil {
		err = seed.Run(context.Background(), seed.Config{From: []string{orders}, Into: target})
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	show(path, "SELECT count(*), sum(shipped) FROM orders")
	// Output:
	// 3 2
}

// show prints the two numbers of a query.
func show(path, query string) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }()
	var first, second int
	if err := db.QueryRow(query).Scan(&first, &second); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first, second)
}
