package seed

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/sink"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Target is a database that takes events and keeps the checkpoint. It is for
// one Run at a time, and can be used for any number of them in turn, dry runs
// among them.
type Target interface {
	// describe says what kind of sink it has. The consumer's name is not its to say.
	describe() checkpoint.Consumer
	// rehearse says whether it is to undo in the end all that it is about to do.
	rehearse(bool)
	prepare(ctx context.Context) error
	claim(ctx context.Context, consumer string) error
	release()
	// lost is closed when another seeder may hold the consumer, between claim and
	// release; nil otherwise.
	lost() <-chan struct{}
	consumer(ctx context.Context, name string) (c checkpoint.Consumer, known bool, err error)
	load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error)
	// start writes first checkpoints, and sets the sink up if it is fresh.
	start(ctx context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error
	// check prepares the sink, and takes down what the consumer is now.
	check(ctx context.Context, c checkpoint.Consumer) error
	apply(ctx context.Context, w work) error
	// heads are the types that the sink has blocks for, where it is a projection.
	heads() []projection.Head
	// skippedTypes is what the consumer's sink had no use for, in all runs.
	skippedTypes(ctx context.Context, consumer string) ([]checkpoint.SkippedType, error)
	// memory is what a consumer knows of a feed that is not eventfeed's own.
	memory(consumer, feedID string) checkpoint.Memory
	mayPass(err error) bool
	// suspect drops connections that an error shows to lead to a server that is
	// away, or to one that is not the primary any more.
	suspect(err error)
	close()
	backward
	shelves
}

// Postgres returns a target in PostgreSQL whose events are applied by handle,
// in the transaction tx that also moves the checkpoint on. If handle returns
// an error the transaction is rolled back and Run ends with that error, unless
// it is one that may pass, such as a lost connection.
//
// The transaction is read committed, has no limit of time of the role's, and runs in
// UTC and with the other settings that docs/operations.md lists, whatever those of
// the pool's sessions are; search_path is the pool's. They are set until the
// transaction ends.
//
// Run holds two connections of the pool, and needs a third one now and then for
// a feed that is not eventfeed's own. The checkpoint's table is made in the schema
// eventfeed_seed.
func Postgres(pool *pgxpool.Pool, handle func(ctx context.Context, tx pgx.Tx, b Batch) error) Target {
	keeper := checkpoint.NewPostgres(pool)
	return named{postgresTarget(keeper, handler[pgx.Tx](handle), checkpoint.Consumer{Sink: checkpoint.SinkHandler, TimeZone: projection.UTC}), nameOf(pool)}
}

// postgresTarget is a target in PostgreSQL without an inbox.
func postgresTarget(keeper *checkpoint.Postgres, sink sink.Sink[pgx.Tx], kind checkpoint.Consumer) *target[pgx.Tx] {
	return &target[pgx.Tx]{keeper: keeper, sink: sink, kind: kind, migrate: keeper.Migrate}
}

// PostgresInbox returns a target in PostgreSQL that adds every event to the
// table eventfeed_inbox.events.
func PostgresInbox(pool *pgxpool.Pool) Target {
	keeper := checkpoint.NewPostgres(pool)
	return named{&target[pgx.Tx]{
		keeper: keeper,
		sink:   handler[pgx.Tx](func(ctx context.Context, tx pgx.Tx, b Batch) error { return sink.Postgres(ctx, tx, sink.Batch(b)) }),
		kind:   checkpoint.Consumer{Sink: checkpoint.SinkInbox, TimeZone: projection.UTC},
		migrate: func(ctx context.Context) error {
			if err := keeper.Migrate(ctx); err != nil {
				return err
			}
			return sink.MigratePostgres(ctx, pool)
		},
		inbox: &inbox[pgx.Tx]{
			table: "eventfeed_inbox.events",
			count: func(ctx context.Context, consumer, feedID string, after int64) (n int64, err error) {
				err = keeper.Do(ctx, func(tx pgx.Tx) error {
					n, err = sink.CountPostgres(ctx, tx, consumer, feedID, after)
					return err
				})
				return n, err
			},
			read: func(ctx context.Context, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
				return keeper.Do(ctx, func(tx pgx.Tx) error {
					return sink.ReadPostgres(ctx, tx, consumer, feedID, after, to, yield)
				})
			},
			remove: sink.DeletePostgres,
		},
	}, nameOf(pool)}
}

// handler is a sink that is one function.
type handler[T any] func(ctx context.Context, tx T, b Batch) error

func (handler[T]) Setup(context.Context, T) error   { return nil }
func (handler[T]) Prepare(context.Context, T) error { return nil }
func (h handler[T]) Apply(ctx context.Context, tx T, b sink.Batch) (sink.Outcome, error) {
	return sink.Outcome{}, h(ctx, tx, Batch(b))
}

// keeper is what both databases' checkpoints can do, with the transaction
// type T of each.
type keeper[T any] interface {
	Claim(ctx context.Context, consumer string) error
	Release()
	Lost() <-chan struct{}
	ShareLock(use func(fd uintptr) error) error
	Consumer(ctx context.Context, name string) (c checkpoint.Consumer, known bool, err error)
	Load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error)
	Kept(ctx context.Context, consumer, feedID string) ([]walk.Place, error)
	Consumers(ctx context.Context) ([]string, error)
	Migrate(ctx context.Context) error
	Start(ctx context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, steps ...func(T) error) error
	Check(ctx context.Context, c checkpoint.Consumer, check func(T) error) error
	Move(ctx context.Context, moves []checkpoint.Move, apply func(T) error) error
	Delete(ctx context.Context, all []checkpoint.Checkpoint, apply func(T) error) error
	Memory(consumer, feedID string) checkpoint.Memory
	SkippedTypes(ctx context.Context, consumer string) ([]checkpoint.SkippedType, error)
	MayPass(err error) bool
	Suspect(err error)
	SetRehearsal(bool)
	shelf[T]
}

type target[T any] struct {
	keeper  keeper[T]
	sink    sink.Sink[T]        // nil where a program takes the events
	kind    checkpoint.Consumer // what the sink is
	migrate func(context.Context) error
	inbox   *inbox[T] // nil where something else takes the events
}

func (t *target[T]) describe() checkpoint.Consumer     { return t.kind }
func (t *target[T]) rehearse(on bool)                  { t.keeper.SetRehearsal(on) }
func (t *target[T]) prepare(ctx context.Context) error { return t.migrate(ctx) }
func (t *target[T]) release()                          { t.keeper.Release() }
func (t *target[T]) lost() <-chan struct{}             { return t.keeper.Lost() }
func (t *target[T]) mayPass(err error) bool            { return t.keeper.MayPass(err) }
func (t *target[T]) suspect(err error)                 { t.keeper.Suspect(err) }
func (t *target[T]) close()                            {}
func (t *target[T]) heads() []projection.Head          { return nil }

func (t *target[T]) memory(consumer, feedID string) checkpoint.Memory {
	return t.keeper.Memory(consumer, feedID)
}

func (t *target[T]) skippedTypes(ctx context.Context, consumer string) ([]checkpoint.SkippedType, error) {
	return t.keeper.SkippedTypes(ctx, consumer)
}

func (t *target[T]) claim(ctx context.Context, consumer string) error {
	return t.keeper.Claim(ctx, consumer)
}

func (t *target[T]) consumer(ctx context.Context, name string) (checkpoint.Consumer, bool, error) {
	return t.keeper.Consumer(ctx, name)
}

func (t *target[T]) load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error) {
	return t.keeper.Load(ctx, consumer)
}

func (t *target[T]) shareLock(use func(fd uintptr) error) error { return t.keeper.ShareLock(use) }

func (t *target[T]) move(ctx context.Context, moves []checkpoint.Move) error {
	return t.keeper.Move(ctx, moves, func(T) error { return nil })
}

func (t *target[T]) start(ctx context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error {
	if t.sink == nil {
		return t.keeper.Start(ctx, c, first)
	}
	prepare := func(tx T) error { return t.sink.Prepare(ctx, tx) }
	if !fresh {
		return t.keeper.Start(ctx, c, first, prepare)
	}
	return t.keeper.Start(ctx, c, first, func(tx T) error { return t.sink.Setup(ctx, tx) }, prepare)
}

func (t *target[T]) check(ctx context.Context, c checkpoint.Consumer) error {
	return t.keeper.Check(ctx, c, func(tx T) error {
		if t.sink == nil {
			return nil
		}
		return t.sink.Prepare(ctx, tx)
	})
}

func (t *target[T]) apply(ctx context.Context, w work) error {
	moves, err := w.after(len(w.Events))
	if err != nil {
		return err
	}
	var outcome sink.Outcome
	ready, waiting := w.parking.sort(w.Batch)
	err = t.keeper.Move(ctx, moves, func(tx T) error {
		started := time.Now()
		if len(ready.Events) > 0 {
			if outcome, err = t.sink.Apply(ctx, tx, sink.Batch(ready)); err != nil {
				return err
			}
		}
		outcome.Parked = waiting
		outcome.Took = time.Since(started)
		count(moves, outcome)
		return t.park(ctx, tx, w, waiting)
	})
	if err != nil && w.parking.isOn() && sink.IsOwn(err) {
		return t.applySingly(ctx, w)
	}
	if err == nil {
		w.moved(len(w.Events), moves, outcome)
	}
	return err
}

// count counts up what was skipped.
func count(moves []checkpoint.Move, outcome sink.Outcome) {
	for kind, skipped := range outcome.Skipped {
		for i := range moves {
			if moves[i].To.FeedID == kind.FeedID {
				moves[i].To.Skipped += skipped
				moves[i].Skip(kind.Type, skipped)
			}
		}
	}
}
