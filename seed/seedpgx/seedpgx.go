// Package seedpgx creates targets of package seed in PostgreSQL, with pgx.
//
// A complete program, which fills a table of its own and keeps it up to date:
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

// Database is a PostgreSQL database to fill. It can be used for several targets.
type Database struct{ pool *pgxpool.Pool }

// Open returns the database of a pool. The caller closes the pool after the run. A run holds
// two of its connections; sometimes it needs a third one, to create tables and for a foreign
// feed.
//
// Checkpoints are kept in the schema eventfeed_seed, which is created if it is missing.
func Open(pool *pgxpool.Pool) Database { return Database{pool} }

// Inbox returns a target that adds every event to the inbox, the view eventfeed_inbox.events.
func (d Database) Inbox() seed.Target {
	return d.target(func() postgres.Sink { return &postgres.Inbox{} }, checkpoint.Consumer{Sink: checkpoint.SinkInbox, KeepsEvents: true})
}

// Handle returns a target whose events handle applies, in the transaction tx that also moves
// the checkpoint. If handle returns an error, the transaction is rolled back. Run returns the
// error, unless it is transient, such as a lost connection, or Config.OnError is Park and the
// event itself caused it.
//
// handle must create the tables that it needs, unless they exist. It may be called again with
// events of a transaction that was rolled back, so what it does outside of tx must be
// idempotent. It must not end tx, nor use it after an error.
//
// The transaction is read committed and has no timeout. It runs in UTC and with the other
// settings that docs/operations.md lists, whatever the settings of the pool's sessions are;
// they last until the transaction ends. The search_path is the pool's.
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

// Projection returns a target whose events a projection applies. An error in the
// projection's text names file and line.
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

// Program returns a target whose events a program gets, each at least once and in order. The
// database keeps the checkpoint.
func (d Database) Program(p seed.Program) seed.Target {
	return seed.NewTarget(postgres.Target{Pool: d.pool, About: execsink.Describe(execsink.Command(p))})
}

// Publish returns a target whose events go to a message broker, each at least once and in order.
// The database keeps the checkpoint.
func (d Database) Publish(p seed.Publisher) seed.Target {
	return seed.NewTarget(postgres.Target{Pool: d.pool, About: p.Description()})
}
