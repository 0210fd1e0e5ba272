package seed

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/sink"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
)

// Target is a database that takes events and keeps the checkpoint. It is for
// one Run at a time.
type Target interface {
	prepare(ctx context.Context) error
	claim(ctx context.Context, consumer string) error
	release()
	load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error)
	start(ctx context.Context, c checkpoint.Checkpoint) error
	apply(ctx context.Context, from, to checkpoint.Checkpoint, b Batch) error
	mayPass(err error) bool
	close()
	backward
}

// Postgres returns a target in PostgreSQL whose events are applied by handle,
// in the transaction tx that also moves the checkpoint on. If handle returns
// an error the transaction is rolled back and Run ends with that error, unless
// it is one that may pass, such as a lost connection.
//
// Run holds two connections of the pool. The checkpoint's table is made in the
// schema eventfeed_seed.
func Postgres(pool *pgxpool.Pool, handle func(ctx context.Context, tx pgx.Tx, b Batch) error) Target {
	keeper := checkpoint.NewPostgres(pool)
	return named{&target[pgx.Tx]{keeper: keeper, handle: handle, migrate: keeper.Migrate}, nameOf(pool)}
}

// PostgresInbox returns a target in PostgreSQL that adds every event to the
// table eventfeed_inbox.events.
func PostgresInbox(pool *pgxpool.Pool) Target {
	keeper := checkpoint.NewPostgres(pool)
	return named{&target[pgx.Tx]{
		keeper: keeper,
		handle: func(ctx context.Context, tx pgx.Tx, b Batch) error { return sink.Postgres(ctx, tx, sink.Batch(b)) },
		migrate: func(ctx context.Context) error {
			if err := keeper.Migrate(ctx); err != nil {
				return err
			}
			return sink.MigratePostgres(ctx, pool)
		},
		inbox: &inbox[pgx.Tx]{
			table: "eventfeed_inbox.events",
			count: func(ctx context.Context, consumer, feedID string, after int64) (int64, error) {
				return sink.CountPostgres(ctx, keeper.Conn(), consumer, feedID, after)
			},
			read: func(ctx context.Context, consumer, feedID string, to int64, yield func(*event.Placed) error) error {
				return sink.ReadPostgres(ctx, keeper.Conn(), consumer, feedID, to, yield)
			},
			remove: sink.DeletePostgres,
		},
	}, nameOf(pool)}
}

// SQLite returns a target in the SQLite database file at path whose events
// are applied by handle, in the transaction tx that also moves the checkpoint
// on. The file is made if it is not there. A lock file stands beside it while
// Run is at work, PATH.lock.
func SQLite(path string, handle func(ctx context.Context, tx *sql.Tx, b Batch) error) Target {
	return named{&sqliteTarget{path: path, handle: handle}, path}
}

// SQLiteInbox returns a target in the SQLite database file at path that adds
// every event to the table eventfeed_inbox_events.
func SQLiteInbox(path string) Target {
	return named{&sqliteTarget{
		path:     path,
		handle:   func(ctx context.Context, tx *sql.Tx, b Batch) error { return sink.SQLite(ctx, tx, sink.Batch(b)) },
		hasInbox: true,
	}, path}
}

// keeper is what both databases' checkpoints can do, with the transaction
// type T of each.
type keeper[T any] interface {
	Claim(ctx context.Context, consumer string) error
	Release()
	Load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error)
	List(ctx context.Context) ([]checkpoint.Checkpoint, error)
	Start(ctx context.Context, c checkpoint.Checkpoint) error
	Move(ctx context.Context, from, to checkpoint.Checkpoint, apply func(T) error) error
	Delete(ctx context.Context, all []checkpoint.Checkpoint, apply func(T) error) error
	MayPass(err error) bool
}

type target[T any] struct {
	keeper  keeper[T]
	handle  func(context.Context, T, Batch) error
	migrate func(context.Context) error
	inbox   *inbox[T] // nil where a handler of the caller's takes the events
}

func (t *target[T]) prepare(ctx context.Context) error { return t.migrate(ctx) }
func (t *target[T]) claim(ctx context.Context, consumer string) error {
	return t.keeper.Claim(ctx, consumer)
}
func (t *target[T]) release()               { t.keeper.Release() }
func (t *target[T]) mayPass(err error) bool { return t.keeper.MayPass(err) }
func (t *target[T]) close()                 {}

func (t *target[T]) load(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error) {
	return t.keeper.Load(ctx, consumer)
}

func (t *target[T]) start(ctx context.Context, c checkpoint.Checkpoint) error {
	return t.keeper.Start(ctx, c)
}

func (t *target[T]) apply(ctx context.Context, from, to checkpoint.Checkpoint, b Batch) error {
	return t.keeper.Move(ctx, from, to, func(tx T) error { return t.handle(ctx, tx, b) })
}

// sqliteTarget opens its file when Run begins.
type sqliteTarget struct {
	target[*sql.Tx]
	path     string
	handle   func(context.Context, *sql.Tx, Batch) error
	hasInbox bool
	db       *sql.DB
}

func (t *sqliteTarget) prepare(ctx context.Context) error {
	t.close() // what an attempt before this one has opened
	db, err := sqlitedb.OpenWriter(ctx, t.path)
	if err != nil {
		return err
	}
	err = t.use(db).Migrate(ctx)
	if err == nil && t.hasInbox {
		err = sink.MigrateSQLite(ctx, db)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return nil
}

// mayPass and release are called also where the file could not be opened.
func (t *sqliteTarget) mayPass(err error) bool {
	return checkpoint.NewSQLite(t.db, t.path).MayPass(err)
}

func (t *sqliteTarget) release() {
	if t.db != nil {
		t.target.release()
	}
}

// use makes db what the target is kept in, and closes it in the end.
func (t *sqliteTarget) use(db *sql.DB) *checkpoint.SQLite {
	keeper := checkpoint.NewSQLite(db, t.path)
	t.db, t.target = db, target[*sql.Tx]{keeper: keeper, handle: t.handle}
	if t.hasInbox {
		t.inbox = &inbox[*sql.Tx]{
			table: "eventfeed_inbox_events",
			count: func(ctx context.Context, consumer, feedID string, after int64) (int64, error) {
				return sink.CountSQLite(ctx, db, consumer, feedID, after)
			},
			read: func(ctx context.Context, consumer, feedID string, to int64, yield func(*event.Placed) error) error {
				return sink.ReadSQLite(ctx, db, consumer, feedID, to, yield)
			},
			remove: sink.DeleteSQLite,
		}
	}
	return keeper
}

func (t *sqliteTarget) close() {
	if t.db != nil {
		_ = t.db.Close()
		t.db = nil
	}
}
