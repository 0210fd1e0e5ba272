package seed

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/program"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// Program is a program that takes events: as CloudEvents, one a line, on its
// standard input, each of which it acknowledges by printing the position.
// docs/exec.md says how one is written.
type Program struct {
	// Command is for /bin/sh -c.
	Command string
	// Patience is for how long a program that ends early is started again. Each
	// acknowledgement renews it. 0 means a minute, negative without end.
	Patience time.Duration

	Stderr io.Writer    // takes the program's standard error; nil means discard
	Logger *slog.Logger // nil means discard
}

// PostgresProgram returns a target whose events a program takes, each at least
// once and in order. How far it has got is kept in PostgreSQL.
func PostgresProgram(pool *pgxpool.Pool, p Program) Target {
	keeper := checkpoint.NewPostgres(pool)
	base := postgresTarget(keeper, nil, checkpoint.Consumer{Sink: checkpoint.SinkProgram})
	return named{&programTarget{mover: base, Program: p}, nameOf(pool)}
}

// SQLiteProgram returns a target whose events a program takes, each at least
// once and in order. How far it has got is kept in the SQLite database file at
// path.
func SQLiteProgram(path string, p Program) Target {
	base := &sqliteTarget{path: path, kind: checkpoint.Consumer{Sink: checkpoint.SinkProgram}}
	return named{&programTarget{mover: base, Program: p}, path}
}

// mover is a target that can move checkpoints alone.
type mover interface {
	Target
	move(ctx context.Context, moves []checkpoint.Move) error
}

// programTarget hands events to a program, and moves the checkpoints behind
// what it has acknowledged.
type programTarget struct {
	mover
	Program
	feeds   map[string]string // that the consumer reads: names by id
	program *program.Program  // nil before there are events
}

func (t *programTarget) load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error) {
	found, err := t.mover.load(ctx, consumer)
	t.know(found)
	return found, err
}

func (t *programTarget) start(ctx context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error {
	t.know(first)
	return t.mover.start(ctx, c, first, fresh)
}

func (t *programTarget) know(all []checkpoint.Checkpoint) {
	if t.feeds == nil {
		t.feeds = make(map[string]string)
	}
	for _, c := range all {
		t.feeds[c.FeedID] = c.Feed
	}
}

func (t *programTarget) apply(ctx context.Context, w work) error {
	if len(w.Events) == 0 {
		return t.acknowledged(ctx, w, 0, 0)
	}
	if t.program == nil {
		t.program = program.New(t.config())
	}
	started := time.Now()
	return t.program.Deliver(ctx, w.Events, func(n int) error {
		defer func() { started = time.Now() }()
		return t.acknowledged(context.WithoutCancel(ctx), w, n, time.Since(started))
	})
}

// acknowledged moves the checkpoints behind the first n events.
func (t *programTarget) acknowledged(ctx context.Context, w work, n int, took time.Duration) error {
	moves, err := w.after(n)
	if err != nil {
		return err
	}
	if err := t.move(ctx, moves); err != nil {
		return err
	}
	w.moved(n, moves, sink.Outcome{Took: took})
	return nil
}

func (t *programTarget) config() program.Config {
	c := program.Config{Command: t.Command, Patience: t.Patience, Stderr: t.Stderr, Logger: t.Logger}
	for id, name := range t.feeds {
		c.Feeds = append(c.Feeds, program.Feed{ID: id, Name: name})
	}
	return c
}

// release ends the program first: as long as it may be at work, no other seeder
// is to have the consumer.
func (t *programTarget) release() {
	if t.program != nil {
		t.program.Close()
	}
	t.mover.release()
}
