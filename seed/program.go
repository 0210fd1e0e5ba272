package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
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
	// Command is for /bin/sh -c. It gets this process's environment, without
	// EVENTFEED_* and without PGPASSWORD, PGPASSFILE, PGSERVICE, PGSERVICEFILE,
	// PGSSLKEY and PGSSLPASSWORD.
	Command string
	// PassEnvironment names variables that it gets all the same.
	PassEnvironment []string
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
	// shareLock is ShareLock of the keepers.
	shareLock(use func(fd uintptr) error) error
}

// programTarget hands events to a program, and moves the checkpoints behind
// what it has acknowledged. A program lasts no longer than the claim that it was
// started under: so what it was given follows the checkpoints that were read then,
// and never is one at work that the lock does not cover.
type programTarget struct {
	mover
	Program
	feeds   map[string]string // that the consumer reads: names by id
	program *program.Program  // nil before there are events
	idle    chan struct{}     // closed when program has been ended
}

// claim ends the program before it takes the consumer anew.
func (t *programTarget) claim(ctx context.Context, consumer string) error {
	t.endProgram()
	return t.mover.claim(ctx, consumer)
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
		t.beginProgram()
	}
	started := time.Now()
	err := t.program.Deliver(ctx, w.Events, func(n int) error {
		defer func() { started = time.Now() }()
		return t.acknowledged(context.WithoutCancel(ctx), w, n, time.Since(started))
	})
	if errors.Is(err, program.ErrKilled) {
		return fmt.Errorf("%w: %w", checkpoint.ErrLost, err)
	}
	return err
}

// beginProgram makes ready to start the program, which is killed at once when the
// consumer's lock is lost.
func (t *programTarget) beginProgram() {
	begun, lost, idle := program.New(t.config()), t.lost(), make(chan struct{})
	go func() {
		select {
		case <-lost:
			begun.Kill()
		case <-idle:
		}
	}()
	t.program, t.idle = begun, idle
}

// endProgram ends the program, if there is one.
func (t *programTarget) endProgram() {
	if t.program != nil {
		t.program.Close()
		close(t.idle)
		t.program = nil
	}
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
	environment := program.Environment(os.Environ(), t.PassEnvironment)
	c := program.Config{Command: t.Command, Environment: environment, Lock: t.shareLock, Patience: t.Patience, Stderr: t.Stderr, Logger: t.Logger}
	for id, name := range t.feeds {
		c.Feeds = append(c.Feeds, program.Feed{ID: id, Name: name})
	}
	return c
}

// release ends the program first: as long as it may be at work, no other seeder
// is to have the consumer.
func (t *programTarget) release() {
	t.endProgram()
	t.mover.release()
}
