// Package sqlite keeps checkpoints in an SQLite file, and applies events in the transaction that
// moves them: into the inbox, or with another sink. Its tables are named eventfeed_*.
package sqlite

import (
	"context"
	"database/sql"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Sink applies events in transactions of an SQLite target.
type Sink interface {
	// Setup is called once for a consumer, in the transaction that writes its
	// first checkpoints.
	Setup(ctx context.Context, tx *sql.Tx) error
	// Prepare is called each time that the consumer was claimed, after Setup and
	// before anything is fetched. What can be checked without events is checked here.
	Prepare(ctx context.Context, tx *sql.Tx) error
	// Apply applies a batch. An error of one event is an EventError.
	Apply(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) (checkpoint.Outcome, error)
}

// Handler is a Sink that is one function.
type Handler func(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) error

// Setup does nothing.
func (Handler) Setup(context.Context, *sql.Tx) error { return nil }

// Prepare does nothing.
func (Handler) Prepare(context.Context, *sql.Tx) error { return nil }

// Apply calls the function.
func (h Handler) Apply(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) (checkpoint.Outcome, error) {
	return checkpoint.Outcome{}, h(ctx, tx, b)
}

// Target is a database file with a sink: a checkpoint.Target.
type Target struct {
	Path  string
	About checkpoint.Description // without its Name
	// NewSink creates the sink for one session; nil for an external sink.
	NewSink func() Sink
}

// Describe returns what the target is; its name is the file's path.
func (t Target) Describe() checkpoint.Description {
	about := t.About
	about.Name = t.Path
	return about
}

// Open returns a *Session.
func (t Target) Open(dryRun bool) checkpoint.Backend {
	s := &Session{path: t.Path, dryRun: dryRun}
	if t.NewSink != nil {
		s.sink = t.NewSink()
	}
	return s
}

// Look returns a session that looks at an open database, and changes nothing. It must
// not be closed: db is the caller's.
func Look(db *sql.DB, path string) *Session { return &Session{db: db, path: path} }
