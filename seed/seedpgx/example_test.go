package seedpgx_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

func TestMain(m *testing.M) { os.Exit(need.RunWithExamples(m, "ExampleDatabase.*")) }

// A service fills a table of its own from the history of another one. A dry run shows
// first that every event can be applied; it leaves nothing.
func ExampleDatabase_Handle() {
	orders, _, stop := servertest.OrdersForExample() // as http://orders.internal/feeds/orders is
	defer stop()
	database, drop, err := testdb.ForExample()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer drop()
	if err := fillOrders(context.Background(), orders, database); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 orders, 2 of them shipped
}

func fillOrders(ctx context.Context, from, database string) error {
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, "CREATE TABLE orders (id text PRIMARY KEY, customer text, shipped boolean NOT NULL)"); err != nil {
		return err
	}

	target := seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, batch seed.Batch) error {
		for _, e := range batch.Events {
			var err error
			switch e.Type {
			case "OrderCreated":
				var data struct{ Customer string }
				if err = json.Unmarshal(e.Data, &data); err == nil {
					_, err = tx.Exec(ctx, "INSERT INTO orders VALUES ($1, $2, false)", e.Subject, data.Customer)
				}
			case "OrderShipped":
				_, err = tx.Exec(ctx, "UPDATE orders SET shipped = true WHERE id = $1", e.Subject)
			}
			if err != nil {
				return fmt.Errorf("position %d: %w", e.Position, err)
			}
		}
		return nil
	})
	for _, dryRun := range []bool{true, false} {
		if err := seed.Run(ctx, seed.Config{From: []string{from}, Into: target, DryRun: dryRun}); err != nil {
			return err
		}
	}

	var all, shipped int
	if err := pool.QueryRow(ctx, "SELECT count(*), count(*) FILTER (WHERE shipped) FROM orders").Scan(&all, &shipped); err != nil {
		return err
	}
	fmt.Println(all, "orders,", shipped, "of them shipped")
	return nil
}
