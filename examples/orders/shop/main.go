// Command shop is an order service that works from its history, which it publishes as the
// feed orders. What to copy from is in steps.go, and in package orders.
//
//	feedserver create orders --entities --db sqlite:shop.db
//	shop --db sqlite:shop.db --orders 1000                            takes orders, and delivers most
//	shop --db sqlite:shop.db show 17                                  shows an order
//	shop --db sqlite:shop.db --as-of 2026-08-31T00:00:00Z show 17     shows it as it was
//	shop --db sqlite:shop.db race 17                                  lets two decide on it at once
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
	"strconv"
	"strings"
	"syscall"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/examples/orders"
)

// truck is how many orders are shipped at once.
const truck = 20

var customers = []string{"Ada", "Barbara", "Edsger", "Grace", "Katherine", "Tony", "Zoë"}

func main() {
	database := flag.String("db", "sqlite:shop.db", "database of the shop, with a feed orders in it: sqlite:PATH or postgres://…")
	number := flag.Int("orders", 1000, "number of orders to take")
	seed := flag.Uint64("seed", 1, "makes other orders; the same seed makes the same ones of an empty shop")
	asOf := flag.String("as-of", "", "show an order as it was at this time, such as 2026-08-31T00:00:00Z")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *database, func(db *sql.DB) error {
		switch command, id := flag.Arg(0), flag.Arg(1); {
		case command == "":
			return work(ctx, db, *number, *seed)
		case command == "show" && id != "":
			return show(ctx, db, id, *asOf)
		case command == "race" && id != "":
			return race(ctx, db, id)
		default:
			return fmt.Errorf("%q: want show ORDER, race ORDER, or nothing, to take orders", strings.Join(flag.Args(), " "))
		}
	})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, database string, command func(*sql.DB) error) error {
	db, err := open(database)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return fmt.Errorf("%w; a database with the feed is made by: feedserver create %s --entities --db URL", err, orders.Feed)
	}
	return command(db)
}

// work takes orders and delivers them, a truck at a time. One payment of ten is declined,
// and one customer of ten moves.
func work(ctx context.Context, db *sql.DB, number int, seed uint64) error {
	var last int
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&last); err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, uint64(last)))
	var paid []string // and not on a truck yet
	moved, declined, delivered := 0, 0, 0
	for n := last + 1; n <= last+number; n++ {
		id, name := strconv.Itoa(n), customers[random.IntN(len(customers))]
		if err := do(ctx, db, customer(name), id, orders.Place(name, fmt.Sprintf("%d Main Street", n), 500+random.Int64N(20_000))); err != nil {
			return err
		}
		if random.IntN(10) == 0 {
			if err := do(ctx, db, customer(name), id, orders.ChangeAddress(fmt.Sprintf("%d New Street", n))); err != nil {
				return err
			}
			moved++
		}
		if err := do(ctx, db, clerk, id, orders.Approve); err != nil {
			return err
		}
		switch err := pay(ctx, db, id, random.IntN(10) > 0); {
		case errors.Is(err, errDeclined):
			declined++
		case err != nil:
			return err
		default:
			paid = append(paid, id)
		}
		if len(paid) == truck {
			for _, command := range []orders.Command{orders.Prepare, orders.Ship, orders.Deliver} {
				if err := doAll(ctx, db, warehouse, paid, command); err != nil {
					return err
				}
			}
			delivered, paid = delivered+truck, nil
		}
	}
	fmt.Printf("%d orders created, %d moved, %d paid, %d delivered; %d payments declined, so rolled back\n",
		number, moved, number-declined, delivered, declined)
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
