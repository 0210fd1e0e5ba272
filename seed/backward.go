package seed

import (
	"context"
	"fmt"
	"os"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// backward is a target's way back. It makes nothing that is not there.
type backward interface {
	open(ctx context.Context) error
	// consumers lists those that are there, and brings up to date the tables
	// that a version before this one has made of them.
	consumers(ctx context.Context) ([]string, error)
	// count counts the events behind a position in the inbox.
	count(ctx context.Context, c checkpoint.Checkpoint, after int64) (table string, events int64, err error)
	// countParked counts the parked events behind a position.
	countParked(ctx context.Context, c checkpoint.Checkpoint, after int64) (int64, error)
	// read reads the inbox after one position and up to another, in order.
	read(ctx context.Context, c checkpoint.Checkpoint, after, to int64, yield func(*event.Placed) error) error
	// kept returns the places that the target keeps of a feed, in order.
	kept(ctx context.Context, c checkpoint.Checkpoint) ([]walk.Place, error)
	rewind(ctx context.Context, from, to checkpoint.Checkpoint) error
	reset(ctx context.Context, all []checkpoint.Checkpoint) error
}

// inbox is what going back needs of the inbox, with the transaction type T of
// its database.
type inbox[T any] struct {
	table  string
	count  func(ctx context.Context, consumer, feedID string, after int64) (int64, error)
	read   func(ctx context.Context, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error
	remove func(ctx context.Context, tx T, consumer, feedID string, after int64) error
}

func (t *target[T]) open(context.Context) error { return nil }

func (t *target[T]) consumers(ctx context.Context) ([]string, error) {
	names, err := t.keeper.Consumers(ctx)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return names, t.keeper.Migrate(ctx)
}

func (t *target[T]) count(ctx context.Context, c checkpoint.Checkpoint, after int64) (table string, events int64, err error) {
	if t.inbox == nil {
		return "", 0, nil
	}
	events, err = t.inbox.count(ctx, c.Consumer, c.FeedID, after)
	return t.inbox.table, events, err
}

func (t *target[T]) countParked(ctx context.Context, c checkpoint.Checkpoint, after int64) (int64, error) {
	return t.keeper.CountParked(ctx, c.Consumer, c.FeedID, after)
}

func (t *target[T]) read(ctx context.Context, c checkpoint.Checkpoint, after, to int64, yield func(*event.Placed) error) error {
	if t.inbox == nil {
		return nil
	}
	return t.inbox.read(ctx, c.Consumer, c.FeedID, after, to, yield)
}

func (t *target[T]) kept(ctx context.Context, c checkpoint.Checkpoint) ([]walk.Place, error) {
	return t.keeper.Kept(ctx, c.Consumer, c.FeedID)
}

func (t *target[T]) rewind(ctx context.Context, from, to checkpoint.Checkpoint) error {
	return t.keeper.Move(ctx, []checkpoint.Move{{From: from, To: to}}, func(tx T) error { return t.remove(ctx, tx, to, to.Position) })
}

func (t *target[T]) reset(ctx context.Context, all []checkpoint.Checkpoint) error {
	return t.keeper.Delete(ctx, all, func(tx T) error {
		for _, c := range all {
			if err := t.remove(ctx, tx, c, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *target[T]) remove(ctx context.Context, tx T, c checkpoint.Checkpoint, after int64) error {
	if t.inbox == nil {
		return nil
	}
	return t.inbox.remove(ctx, tx, c.Consumer, c.FeedID, after)
}

func (t *sqliteTarget) open(ctx context.Context) error {
	if err := sqlitedb.CheckPath(t.path); err != nil {
		return err
	}
	if _, err := os.Stat(t.path); err != nil {
		return fmt.Errorf("database %s: %w", t.path, err)
	}
	db, err := sqlitedb.OpenWriter(ctx, t.path)
	if err != nil {
		return err
	}
	t.use(db)
	return nil
}
