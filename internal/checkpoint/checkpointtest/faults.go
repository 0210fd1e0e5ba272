package checkpointtest

import (
	"context"
	"errors"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
)

var errInjected = errors.New("injected")

// faults makes one call of a backend, or of its transaction, go wrong: number call, from
// 0, before it is made or after it was.
type faults struct {
	call  int
	after bool
	wrong func() error // what happens then
	made  int
}

// of makes a call.
func (f *faults) of(do func() error) error {
	n := f.made
	f.made++
	if n == f.call && !f.after {
		return f.wrong()
	}
	err := do()
	if n == f.call && err == nil {
		err = f.wrong()
	}
	return err
}

// target is a target whose backends have faults.
type target struct {
	checkpoint.Target
	*faults
}

func (t target) Open(dryRun bool) checkpoint.Backend {
	b := t.Target.Open(dryRun)
	if database, is := b.(database); is {
		return fullBackend{backend{b, t.faults}, database}
	}
	return backend{b, t.faults}
}

// database is what a database does beside what every backend does.
type database interface {
	checkpoint.Parker
	checkpoint.Rewinder
	checkpoint.Rememberer
	checkpoint.SkipCounter
}

// backend has faults in what every backend does.
type backend struct {
	checkpoint.Backend
	*faults
}

// fullBackend has faults also in what a database does beside that.
type fullBackend struct {
	backend
	database
}

func (b fullBackend) Entities(ctx context.Context, consumer string) (found map[checkpoint.Entity]bool, err error) {
	err = b.of(func() error {
		found, err = b.database.Entities(ctx, consumer)
		return err
	})
	return found, err
}

func (b fullBackend) Rewind(ctx context.Context, from, to checkpoint.Checkpoint) error {
	return b.of(func() error { return b.database.Rewind(ctx, from, to) })
}

func (b fullBackend) Reset(ctx context.Context, all []checkpoint.Checkpoint) error {
	return b.of(func() error { return b.database.Reset(ctx, all) })
}

func (b fullBackend) CountParked(ctx context.Context, consumer, feedID string, after int64) (n int64, err error) {
	err = b.of(func() error {
		n, err = b.database.CountParked(ctx, consumer, feedID, after)
		return err
	})
	return n, err
}

func (b fullBackend) Consumers(ctx context.Context) (all []string, err error) {
	err = b.of(func() error {
		all, err = b.database.Consumers(ctx)
		return err
	})
	return all, err
}

func (b fullBackend) Kept(ctx context.Context, consumer, feedID string) (all []feed.Place, err error) {
	err = b.of(func() error {
		all, err = b.database.Kept(ctx, consumer, feedID)
		return err
	})
	return all, err
}

func (b fullBackend) SkippedTypes(ctx context.Context, consumer string) (all []checkpoint.SkippedType, err error) {
	err = b.of(func() error {
		all, err = b.database.SkippedTypes(ctx, consumer)
		return err
	})
	return all, err
}

func (b fullBackend) Memory(consumer, feedID string) checkpoint.Memory {
	return memory{b.database.Memory(consumer, feedID), b.faults}
}

// memory has faults in what writes.
type memory struct {
	checkpoint.Memory
	*faults
}

func (m memory) Record(ctx context.Context, a *checkpoint.Archive, entries []checkpoint.Version) error {
	return m.of(func() error { return m.Memory.Record(ctx, a, entries) })
}

func (m memory) Mark(ctx context.Context, marks checkpoint.Marks) error {
	return m.of(func() error { return m.Memory.Mark(ctx, marks) })
}

func (m memory) Forget(ctx context.Context) error {
	return m.of(func() error { return m.Memory.Forget(ctx) })
}

func (b backend) Prepare(ctx context.Context) error {
	return b.of(func() error { return b.Backend.Prepare(ctx) })
}

func (b backend) Claim(ctx context.Context, consumer string) error {
	return b.of(func() error { return b.Backend.Claim(ctx, consumer) })
}

func (b backend) Load(ctx context.Context) (c checkpoint.Consumer, found []checkpoint.Checkpoint, err error) {
	err = b.of(func() error {
		c, found, err = b.Backend.Load(ctx)
		return err
	})
	return c, found, err
}

func (b backend) Begin(ctx context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error {
	return b.of(func() error { return b.Backend.Begin(ctx, c, first, fresh) })
}

func (b backend) Step(ctx context.Context, moves []checkpoint.Move, do func(checkpoint.Tx) error) error {
	return b.of(func() error {
		return b.Backend.Step(ctx, moves, func(tx checkpoint.Tx) error {
			if parks, can := tx.(checkpoint.ParkTx); can {
				return do(parkTransaction{parks, b.faults})
			}
			return do(transaction{tx, b.faults})
		})
	})
}

type transaction struct {
	checkpoint.Tx
	*faults
}

func (t transaction) Apply(ctx context.Context, b checkpoint.Batch) (outcome checkpoint.Outcome, err error) {
	err = t.of(func() error {
		outcome, err = t.Tx.Apply(ctx, b)
		return err
	})
	return outcome, err
}

// parkTransaction is a transaction in which events can be parked.
type parkTransaction struct {
	checkpoint.ParkTx
	*faults
}

func (t parkTransaction) Apply(ctx context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	return transaction{t.ParkTx, t.faults}.Apply(ctx, b)
}

func (t parkTransaction) Savepoints(ctx context.Context) (try func(func() error) error, err error) {
	err = t.of(func() error {
		try, err = t.ParkTx.Savepoints(ctx)
		return err
	})
	return try, err
}

func (t parkTransaction) Park(ctx context.Context, events []checkpoint.Parked) error {
	return t.of(func() error { return t.ParkTx.Park(ctx, events) })
}

func (t parkTransaction) NextParked(ctx context.Context, of checkpoint.ParkedFilter, after checkpoint.ParkedPlace) (found []checkpoint.Parked, err error) {
	err = t.of(func() error {
		found, err = t.ParkTx.NextParked(ctx, of, after)
		return err
	})
	return found, err
}

func (t parkTransaction) Unpark(ctx context.Context, e *checkpoint.Parked) error {
	return t.of(func() error { return t.ParkTx.Unpark(ctx, e) })
}

func (t parkTransaction) KeepParked(ctx context.Context, e *checkpoint.Parked) error {
	return t.of(func() error { return t.ParkTx.KeepParked(ctx, e) })
}
