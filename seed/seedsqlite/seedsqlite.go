// Package seedsqlite creates targets of package seed in SQLite files.
//
// A complete program, which brings a file of its own up to date and exits:
//
//	package main
//
//	import (
//		"context"
//		"database/sql"
//		"log"
//
//		"github.com/eventfeed/eventfeed/seed"
//		"github.com/eventfeed/eventfeed/seed/seedsqlite"
//	)
//
//	func main() {
//		err := seed.Run(context.Background(), seed.Config{
//			From: []string{"http://orders.internal/feeds/orders"},
//			Into: seedsqlite.Open("shipping.db").Handle(apply),
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
//	func apply(ctx context.Context, tx *sql.Tx, batch seed.Batch) error {
//		if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, data TEXT)"); err != nil {
//			return err
//		}
//		for _, e := range batch.Events {
//			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO orders VALUES (?, ?)", e.Subject, string(e.Data)); err != nil {
//				return err
//			}
//		}
//		return nil
//	}
package seedsqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	"github.com/eventfeed/eventfeed/internal/execsink"
	"github.com/eventfeed/eventfeed/internal/projection"
	projectionsqlite "github.com/eventfeed/eventfeed/internal/projection/sqlite"
	"github.com/eventfeed/eventfeed/seed"
)

// Database is an SQLite database file to fill.
type Database struct{ path string }

// Open returns the database file at a path. A run opens the file, and creates it if it is
// missing. It refuses a path with options of a driver (shop.db?mode=ro, file:shop.db). The
// run locks the file PATH.lock beside it: SQLite allows one seeder at a time, whatever the
// consumers.
//
// Checkpoints are kept in tables eventfeed_*, which are created if they are missing.
func Open(path string) Database { return Database{path} }

// Inbox returns a target that adds every event to the inbox, the view eventfeed_inbox_events.
func (d Database) Inbox() seed.Target {
	return d.target(func() sqlite.Sink { return &sqlite.Inbox{} }, checkpoint.Consumer{Sink: checkpoint.SinkInbox, KeepsEvents: true})
}

// Handle returns a target whose events handle applies, in the transaction tx that also moves
// the checkpoint. If handle returns an error, the transaction is rolled back. Run returns the
// error, unless it is transient, such as a busy file, or Config.OnError is Park and the event
// itself caused it.
//
// handle must create the tables that it needs, unless they exist. It may be called again with
// events of a transaction that was rolled back, so what it does outside of tx must be
// idempotent. It must not end tx, nor use it after an error.
func (d Database) Handle(handle func(ctx context.Context, tx *sql.Tx, b seed.Batch) error) seed.Target {
	sink := sqlite.Handler(func(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) error {
		return handle(ctx, tx, seed.Batch{Consumer: b.Consumer, Events: b.Events})
	})
	return d.target(func() sqlite.Sink { return sink }, checkpoint.Consumer{Sink: checkpoint.SinkHandler})
}

func (d Database) target(newSink func() sqlite.Sink, about checkpoint.Consumer) seed.Target {
	about.TimeZone = checkpoint.UTC
	return seed.NewTarget(sqlite.Target{
		Path: d.path, NewSink: newSink,
		About: checkpoint.Description{Sink: about},
	})
}

// Projection returns a target whose events a projection applies. An error in the
// projection's text names file and line. A schema or a time zone other than UTC is an error,
// because SQLite has neither.
func (d Database) Projection(p seed.Projection) (seed.Target, error) {
	parsed, err := projection.Parse(p.Name, p.Text)
	if err != nil {
		return seed.Target{}, err
	}
	if p.Schema != "" {
		return seed.Target{}, fmt.Errorf("%s: schema %s: SQLite has none; build beside it in another file", p.Name, p.Schema)
	}
	if zone := parsed.TimeZone(); zone != checkpoint.UTC {
		return seed.Target{}, fmt.Errorf("%s: timezone %s: SQLite has no time zones, all of it is in UTC", p.Name, zone)
	}
	return seed.NewTarget(sqlite.Target{
		Path: d.path, About: parsed.Describe(""),
		NewSink: func() sqlite.Sink { return projectionsqlite.New(parsed, p.Strict) },
	}), nil
}

// Program returns a target whose events a program gets, each at least once and in order. The
// database keeps the checkpoint.
func (d Database) Program(p seed.Program) seed.Target {
	return seed.NewTarget(sqlite.Target{Path: d.path, About: execsink.Describe(execsink.Command(p))})
}

// Publish returns a target whose events go to a message broker, each at least once and in order.
// The database keeps the checkpoint.
func (d Database) Publish(p seed.Publisher) seed.Target {
	return seed.NewTarget(sqlite.Target{Path: d.path, About: p.Description()})
}
