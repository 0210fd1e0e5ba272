// Command shop is an order service that tells its history as the feed orders.
// Each business step is one transaction, which changes orders and appends the
// events that say so; what to copy from is in steps.go.
//
//	feedserver create orders --db sqlite:shop.db
//	shop --db sqlite:shop.db --orders 2000
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"
)

// truck is how many orders are shipped at once.
const truck = 20

var customers = []string{"Ada", "Barbara", "Edsger", "Grace", "Katherine", "Tony", "Zoë"}

func main() {
	database := flag.String("db", "sqlite:shop.db", "database of the shop, with a feed orders in it: sqlite:PATH or postgres://…")
	orders := flag.Int("orders", 2000, "number of orders to take")
	seed := flag.Uint64("seed", 1, "makes other orders; the same seed makes the same ones of an empty shop")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *database, *orders, *seed)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, database string, orders int, seed uint64) error {
	db, err := open(database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("%w; a database with the feed is made by: feedserver create %s --db URL", err, feed)
	}
	var last int64
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM orders").Scan(&last); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, uint64(last)))
	var paid []order // and not on a truck yet
	declined, shipped := 0, 0
	for id := last + 1; id <= last+int64(orders); id++ {
		o := order{id, customers[random.IntN(len(customers))], 500 + random.Int64N(20_000)}
		if err := place(ctx, db, o); err != nil {
			return err
		}
		switch err := pay(ctx, db, o, random.IntN(10) > 0); {
		case errors.Is(err, errDeclined):
			declined++
		case err != nil:
			return err
		default:
			paid = append(paid, o)
		}
		if len(paid) == truck {
			if err := ship(ctx, db, paid); err != nil {
				return err
			}
			shipped, paid = shipped+truck, nil
		}
	}
	fmt.Printf("%d orders created, %d paid, %d shipped; %d payments declined, so rolled back\n",
		orders, orders-declined, shipped, declined)
	return nil
}

// open opens the database. SQLite understands PostgreSQL's $1, so all else is
// the same for both. With SQLite every commit is on disk (FULL), and each
// transaction takes the write lock when it begins, where it can wait for the
// feedserver, which writes to the same file.
func open(database string) (*sql.DB, error) {
	path, isSQLite := strings.CutPrefix(database, "sqlite:")
	if !isSQLite {
		return sql.Open("pgx", database)
	}
	return sql.Open("sqlite", "file:"+url.PathEscape(path)+
		"?mode=rw&_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
}
