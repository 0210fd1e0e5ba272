package seed

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// SQLite returns a target in the SQLite database file at path whose events
// are applied by handle, in the transaction tx that also moves the checkpoint
// on. The file is made if it is not there. Run refuses a path with options, as
// drivers take them (shop.db?mode=ro, file:shop.db). A lock file stands beside it while
// Run is at work, PATH.lock.
func SQLite(path string, handle func(ctx context.Context, tx *sql.Tx, b Batch) error) Target {
	return named{&sqliteTarget{path: path, sink: handler[*sql.Tx](handle), kind: checkpoint.Consumer{Sink: checkpoint.SinkHandler, TimeZone: projection.UTC}}, path}
}

// SQLiteInbox returns a target in the SQLite database file at path that adds
// every event to the table eventfeed_inbox_events.
func SQLiteInbox(path string) Target {
	return named{&sqliteTarget{
		path:     path,
		sink:     handler[*sql.Tx](func(ctx context.Context, tx *sql.Tx, b Batch) error { return sink.SQLite(ctx, tx, sink.Batch(b)) }),
		kind:     checkpoint.Consumer{Sink: checkpoint.SinkInbox, TimeZone: projection.UTC},
		hasInbox: true,
	}, path}
}

// sqliteTarget opens its file when Run begins.
type sqliteTarget struct {
	target[*sql.Tx]
	path      string
	sink      sink.Sink[*sql.Tx]
	kind      checkpoint.Consumer
	hasInbox  bool
	rehearsal bool
	replaced  bool // another file is at the path, without tables perhaps
	db        *sql.DB
}

func (t *sqliteTarget) describe() checkpoint.Consumer { return t.kind }
func (t *sqliteTarget) rehearse(on bool)              { t.rehearsal = on }

func (t *sqliteTarget) prepare(ctx context.Context) error {
	t.close() // what an attempt before this one has opened
	db, err := sqlitedb.OpenWriter(ctx, t.path)
	if err != nil {
		return err
	}
	t.use(db)
	return t.makeTables(ctx)
}

func (t *sqliteTarget) makeTables(ctx context.Context) error {
	err := t.keeper.Migrate(ctx)
	if err == nil && t.hasInbox {
		err = sink.MigrateSQLite(ctx, t.db)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", t.path, err)
	}
	return nil
}

func (t *sqliteTarget) claim(ctx context.Context, consumer string) error {
	if t.replaced {
		if err := t.makeTables(ctx); err != nil {
			return err
		}
		t.replaced = false
	}
	return t.target.claim(ctx, consumer)
}

// mayPass and release are called also where the file could not be opened.
func (t *sqliteTarget) mayPass(err error) bool {
	t.replaced = t.replaced || errors.Is(err, sqlitedb.ErrReplaced)
	return checkpoint.NewSQLite(t.db, t.path).MayPass(err)
}

// suspect has nothing to drop: a file is no server.
func (t *sqliteTarget) suspect(error) {}

func (t *sqliteTarget) release() {
	if t.db != nil {
		t.target.release()
	}
}

func (t *sqliteTarget) lost() <-chan struct{} {
	if t.db == nil {
		return nil
	}
	return t.target.lost()
}

// use makes db what the target is kept in, and closes it in the end.
func (t *sqliteTarget) use(db *sql.DB) {
	keeper := checkpoint.NewSQLite(db, t.path)
	keeper.Rehearse = t.rehearsal
	t.db, t.target = db, target[*sql.Tx]{keeper: keeper, sink: t.sink, kind: t.kind}
	if t.hasInbox {
		t.inbox = &inbox[*sql.Tx]{
			table: "eventfeed_inbox_events",
			count: func(ctx context.Context, consumer, feedID string, after int64) (int64, error) {
				return sink.CountSQLite(ctx, db, consumer, feedID, after)
			},
			read: func(ctx context.Context, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
				return sink.ReadSQLite(ctx, db, consumer, feedID, after, to, yield)
			},
			remove: sink.DeleteSQLite,
		}
	}
}

func (t *sqliteTarget) close() {
	if t.db != nil {
		_ = t.db.Close()
		t.db = nil
	}
}
