package outbox_test

import (
	"context"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

func TestMain(m *testing.M) { os.Exit(need.RunWithExamples(m, "ExampleAppend")) }

// ordersInPostgres makes a database with the feed and the table of the example.
func ordersInPostgres() (url string, drop func()) {
	ctx := context.Background()
	url, drop, err := testdb.ForExample()
	check(err)
	backend, err := postgres.Open(ctx, url, true)
	check(err)
	createOrders(ctx, backend)
	conn, err := pgx.Connect(ctx, url)
	check(err)
	_, err = conn.Exec(ctx, "CREATE TABLE orders (id text PRIMARY KEY, paid boolean NOT NULL); INSERT INTO orders VALUES ('o-1', FALSE)")
	check(err)
	check(conn.Close(ctx))
	return url, drop
}

// ordersInSQLite makes a database file with the feed of the example.
func ordersInSQLite() (path string, remove func()) {
	folder, err := os.MkdirTemp("", "orders")
	check(err)
	path = filepath.Join(folder, "orders.db")
	backend, err := sqlite.Open(context.Background(), path, true)
	check(err)
	createOrders(context.Background(), backend)
	return path, func() { check(os.RemoveAll(folder)) }
}

func createOrders(ctx context.Context, backend store.Backend) {
	defer backend.Close()
	_, err := store.New(backend).Create(ctx, store.Feed{Name: "orders", Entities: true})
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
