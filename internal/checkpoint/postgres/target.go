// Package postgres keeps checkpoints in PostgreSQL, and applies events in the transaction that
// moves them: with binary COPY into the inbox, or with another sink. Its tables are in the
// schemas eventfeed_seed and eventfeed_inbox.
package postgres

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Sink applies events in transactions of a PostgreSQL target.
type Sink interface {
	// Setup is called once for a consumer, in the transaction that writes its
	// first checkpoints.
	Setup(ctx context.Context, tx pgx.Tx) error
	// Prepare is called after each claim of the consumer, after Setup and before anything
	// is fetched, on the connection that applies events. It checks what can be checked
	// without events.
	Prepare(ctx context.Context, tx pgx.Tx) error
	// Apply applies a batch. An error of one event is an EventError.
	Apply(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) (checkpoint.Outcome, error)
}

// Handler is a Sink that is one function.
type Handler func(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) error

// Setup does nothing.
func (Handler) Setup(context.Context, pgx.Tx) error { return nil }

// Prepare does nothing.
func (Handler) Prepare(context.Context, pgx.Tx) error { return nil }

// Apply calls the function.
func (h Handler) Apply(ctx context.Context, tx pgx.Tx, b checkpoint.Batch) (checkpoint.Outcome, error) {
	return checkpoint.Outcome{}, h(ctx, tx, b)
}

// Target is a database with a sink: a checkpoint.Target.
type Target struct {
	Pool  *pgxpool.Pool
	About checkpoint.Description // without its Name
	// NewSink creates the sink for one session; nil for an external sink.
	NewSink func() Sink
	// Fresh resets the session before each transaction to the settings of its login, so
	// that settings of users' SQL in earlier transactions do not last.
	Fresh bool
}

// Describe returns the description of the target. Its name is that of the database.
func (t Target) Describe() checkpoint.Description {
	about := t.About
	config := t.Pool.Config().ConnConfig
	about.Name = fmt.Sprintf("database %s at %s", config.Database, net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
	return about
}

// Open returns a *Session.
func (t Target) Open(dryRun bool) checkpoint.Backend {
	s := &Session{pool: t.Pool, dryRun: dryRun, fresh: t.Fresh}
	if t.NewSink != nil {
		s.sink = t.NewSink()
	}
	return s
}

// Look returns a session that looks at a database, and changes nothing.
func Look(pool *pgxpool.Pool) *Session { return &Session{pool: pool} }
