package seedsqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// A handler writes into tables of the caller's, in the transaction that moves the
// checkpoint on. Its ctx ends with the run.
func ExampleDatabase_Handle() {
	orders, folder, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	path := filepath.Join(folder, "shipping.db")

	target := seedsqlite.Open(path).Handle(func(ctx context.Context, tx *sql.Tx, batch seed.Batch) error {
		if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS shipped (id TEXT PRIMARY KEY, position INTEGER)"); err != nil {
			return err
		}
		for _, e := range batch.Events {
			if e.Type != "OrderShipped" {
				continue
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO shipped VALUES (?, ?)", e.Subject, e.Position); err != nil {
				return fmt.Errorf("position %d: %w", e.Position, err)
			}
		}
		return nil
	})
	if err := seed.Run(context.Background(), seed.Config{From: []string{orders}, Into: target}); err != nil {
		fmt.Println(err)
		return
	}
	show(path, "SELECT count(*), max(position) FROM shipped")
	// Output:
	// 2 5
}

// A program takes events on its standard input, one a line, and prints the position of
// each that it is done with.
func ExampleDatabase_Program() {
	orders, folder, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	path := filepath.Join(folder, "shipping.db")

	target := seedsqlite.Open(path).Program(seed.Program{
		Command: `while read -r event; do expr "$event" : '.*"efposition":"\([0-9]*\)"'; done`,
	})
	if err := seed.Run(context.Background(), seed.Config{From: []string{orders}, Into: target}); err != nil {
		fmt.Println(err)
		return
	}
	show(path, "SELECT count(*), max(position) FROM eventfeed_checkpoints")
	// Output:
	// 1 5
}
