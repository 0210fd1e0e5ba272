package seed_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// A service fills a table of its own from the history of another one. The
// handler runs in the transaction that also moves the checkpoint on, so each
// event is applied exactly once, in order.
func ExampleRun() {
	orders, folder, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	if err := fillOrders(orders, filepath.Join(folder, "shipping.db")); err != nil {
		fmt.Println(err)
	}
	// Output:
	// position 0 of 5
	// position 5 of 5
	// 3 orders, 2 of them shipped
}

func fillOrders(from, path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec("CREATE TABLE orders (id TEXT PRIMARY KEY, customer TEXT, shipped BOOLEAN NOT NULL)"); err != nil {
		return err
	}

	apply := func(ctx context.Context, tx *sql.Tx, batch seed.Batch) error {
		for _, e := range batch.Events {
			var err error
			switch e.Type {
			case "OrderCreated":
				var data struct{ Customer string }
				if err = json.Unmarshal(e.Data, &data); err == nil {
					_, err = tx.ExecContext(ctx, "INSERT INTO orders VALUES (?, ?, FALSE)", e.Subject, data.Customer)
				}
			case "OrderShipped":
				_, err = tx.ExecContext(ctx, "UPDATE orders SET shipped = TRUE WHERE id = ?", e.Subject)
				if err == nil && e.Live { // news, not history
					fmt.Println("the customer can be told that", e.Subject, "is on its way")
				}
			}
			if err != nil {
				return fmt.Errorf("position %d: %w", e.Position, err)
			}
		}
		return nil
	}
	err = seed.Run(context.Background(), seed.Config{
		From:     []string{from},
		Into:     seedsqlite.Open(path).Handle(apply),
		Progress: func(p seed.Progress) { fmt.Println("position", p.Feeds[0].Position, "of", p.Feeds[0].Head) },
	})
	if err != nil {
		return err
	}

	var all, shipped int
	if err := db.QueryRow("SELECT count(*), count(*) FILTER (WHERE shipped) FROM orders").Scan(&all, &shipped); err != nil {
		return err
	}
	fmt.Println(all, "orders,", shipped, "of them shipped")
	return nil
}
