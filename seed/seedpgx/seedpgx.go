// Package seedpgx makes targets of package seed in PostgreSQL, with pgx.
//
//	err := seed.Run(ctx, seed.Config{
//		From: []string{"http://orders.internal/feeds/orders"},
//		Into: seedpgx.Open(pool).Handle(func(ctx context.Context, tx pgx.Tx, batch seed.Batch) error {
//			for _, e := range batch.Events {
//				…
//			}
//			return nil
//		}),
//	})
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
	return d.target(func() postgres.Sink { return postgres.Inbox{} }, checkpoint.SinkInbox)
}

// Handle returns a target whose events are applied by handle, in the transaction tx that
// also moves the checkpoint on. If handle returns an error the transaction is rolled back
// and Run ends with that error, unless it is transient, such as a lost connection, or is the event's own and Config.OnError says to park it.
//
// The transaction is read committed, has no limit of time of the role's, and runs in
// UTC and with the other settings that docs/operations.md lists, whatever those of
// the pool's sessions are; search_path is the pool's. They are set until the
// transaction ends.
func (d Database) Handle(handle func(ctx context.Context, tx pgx.Tx, b seed.Batch) error) seed.Target {
	sink := postgres.Handler(func(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) error { return handle(ctx, tx, seed.Batch(b)) })
	return d.target(func() postgres.Sink { return sink }, checkpoint.SinkHandler)
}

func (d Database) target(newSink func() postgres.Sink, kind string) seed.Target {
	return seed.NewTarget(postgres.Target{
		Pool: d.pool, NewSink: newSink,
		About: checkpoint.Description{Sink: checkpoint.Consumer{Sink: kind, TimeZone: checkpoint.UTC}},
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
