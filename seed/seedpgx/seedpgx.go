// Package seedpgx makes targets of package seed in PostgreSQL, with pgx.
//
// A complete program, which keeps a table of its own up to date from then on:
//
//	package main
//
//	import (
//		"context"
//		"encoding/json"
//		"fmt"
//		"log"
//		"os"
//
//		"github.com/jackc/pgx/v5"
//		"github.com/jackc/pgx/v5/pgxpool"
//
//		"github.com/eventfeed/eventfeed/seed"
//		"github.com/eventfeed/eventfeed/seed/seedpgx"
//	)
//
//	func main() {
//		ctx := context.Background()
//		pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
//		if err != nil {
//			log.Fatal(err)
//		}
//		if _, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY, customer text)"); err != nil {
//			log.Fatal(err)
//		}
//		err = seed.Run(ctx, seed.Config{
//			From:   []string{"http://orders.internal/feeds/orders"},
//			Into:   seedpgx.Open(pool).Handle(apply),
//			Follow: true,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
//	func apply(ctx context.Context, tx pgx.Tx, batch seed.Batch) error {
//		for _, e := range batch.Events {
//			if e.Type != "OrderCreated" {
//				continue
//			}
//			var data struct{ Customer string }
//			if err := json.Unmarshal(e.Data, &data); err != nil {
//				return fmt.Errorf("position %d: %w: %w", e.Position, seed.ErrOwn, err)
//			}
//			if _, err := tx.Exec(ctx, "INSERT INTO orders VALUES ($1, $2)", e.Subject, data.Customer); err != nil {
//				return fmt.Errorf("position %d: %w", e.Position, err)
//			}
//		}
//		return nil
//	}
package seedpgx

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/postgres"
	"github.com/eventfeed/eventfeed/internal/execsink"
	"github.com/eventfeed/eventfeed/internal/projection"
	projectionpostgres "github.com/eventfeed/eventfeed/internal/projection/postgres"
	"github.com/eventfeed/eventfeed/seed"
)

// Database is a PostgreSQL database to fill. It holds nothing but the pool, and may be
// used for several targets.
type Database struct{ pool *pgxpool.Pool }

// Open returns the database that a pool leads to. The pool stays the caller's, who closes
// it. A run holds two of its connections, and needs a third one now and then, to make
// tables and for a feed that is not eventfeed's own.
//
// Checkpoints are kept in the schema eventfeed_seed, which is made where it is missing.
func Open(pool *pgxpool.Pool) Database { return Database{pool} }

// Inbox returns a target that adds every event to the table eventfeed_inbox.events.
func (d Database) Inbox() seed.Target {
	return d.target(func() postgres.Sink { return postgres.Inbox{} }, checkpoint.Consumer{Sink: checkpoint.SinkInbox, KeepsEvents: true})
}

// Handle returns a target whose events are applied by handle, in the transaction tx that
// also moves the checkpoint on. If handle returns an error the transaction is rolled back
// and Run ends with that error, unless it is transient, such as a lost connection, or is
// the event's own and Config.OnError says to park it.
//
// Tables that handle writes into must be there, or be made by it. handle may be called
// again with events of a transaction that was rolled back, so what it does apart from tx
// must be harmless twice. It does not end tx, and does not use it after an error.
//
// The transaction is read committed, has no limit of time of the role's, and runs in
// UTC and with the other settings that docs/operations.md lists, whatever those of
// the pool's sessions are; search_path is the pool's. They are set until the
// transaction ends.
func (d Database) Handle(handle func(ctx context.Context, tx pgx.Tx, b seed.Batch) error) seed.Target {
	sink := postgres.Handler(func(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) error {
		return handle(ctx, tx, seed.Batch{Consumer: b.Consumer, Events: b.Events})
	})
	return d.target(func() postgres.Sink { return sink }, checkpoint.Consumer{Sink: checkpoint.SinkHandler})
}

func (d Database) target(newSink func() postgres.Sink, about checkpoint.Consumer) seed.Target {
	about.TimeZone = checkpoint.UTC
	return seed.NewTarget(postgres.Target{
		Pool: d.pool, NewSink: newSink,
		About: checkpoint.Description{Sink: about},
	})
}

// Projection returns a target whose events are applied by a projection. It returns an
// error of the projection's text, with its file and line.
func (d Database) Projection(p seed.Projection) (seed.Target, error) {
	parsed, err := projection.Parse(p.Name, p.Text)
	if err != nil {
		return seed.Target{}, err
	}
	return seed.NewTarget(postgres.Target{
		Pool: d.pool, About: parsed.Describe(p.Schema), Fresh: true,
		NewSink: func() postgres.Sink { return projectionpostgres.New(parsed, p.Schema, p.Strict) },
	}), nil
}

// Program returns a target whose events a program takes, each at least once and in order.
// How far it has got is kept in the database.
func (d Database) Program(p seed.Program) seed.Target {
	return seed.NewTarget(postgres.Target{Pool: d.pool, About: execsink.Describe(execsink.Command(p))})
}
