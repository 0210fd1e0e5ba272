// Package sqlite keeps logs in an SQLite database file, in tables whose names begin with eventfeed_.
// It is the default, for small services.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/outbox"
)

// identity is that of every SQLite database. A file that was restored from a backup looks like the
// original, so the user has to run feedserver new-epoch.
const identity = "sqlite"

// Log is an SQLite database that holds logs.
type Log struct {
	queries
	writer, reader *sql.DB
}

var _ store.Backend = (*Log)(nil)

// Open opens the database file at path, or creates it. If the tables are not up to date, Open migrates
// them, or returns an error if mayMigrate is false. The caller closes the log.
//
// If the file is replaced, for example by a backup that is moved over it, the log continues with the
// new file. While there is no file, it returns sqlitedb.ErrGone, wrapped.
func Open(ctx context.Context, path string, mayMigrate bool) (*Log, error) {
	first, err := sqlitedb.OpenWriter(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = first.Close() }()
	if mayMigrate {
		err = schema().Up(ctx, first)
	} else {
		err = schema().Check(ctx, first)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	// This writer does not wait for the write lock; begin does.
	writer, reader, err := sqlitedb.OpenBoth(ctx, path)
	if err != nil {
		return nil, err
	}
	return &Log{queries{reader}, writer, reader}, nil
}

// Close closes the file.
func (l *Log) Close() {
	_ = l.reader.Close()
	_ = l.writer.Close() // last: it checkpoints the WAL
}

// Append appends events in one transaction.
func (l *Log) Append(ctx context.Context, name string, events []event.Event) (added int, err error) {
	err = l.write(ctx, func(t *sql.Tx) error {
		result, err := outbox.AppendSQL(ctx, t, name, events...)
		added = result.New
		return err
	})
	return added, err
}

// Write runs step in one transaction. It waits up to beginPatience for transactions of other
// processes.
func (l *Log) Write(ctx context.Context, _ time.Duration, step func(store.Tx) error) error {
	return l.write(ctx, func(t *sql.Tx) error { return step(tx{t}) })
}

func (l *Log) write(ctx context.Context, step func(*sql.Tx) error) error {
	t, err := l.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // after a commit it does nothing
	if err := step(t); err != nil {
		return err
	}
	return t.Commit()
}

// beginPatience is how long to wait for transactions of other processes.
const beginPatience = 10 * time.Second

// begin takes the write lock. SQLite itself would retry after sleeps of up to 100 ms, during which a
// process that writes all the time takes the lock again and again. begin retries every millisecond or
// two, so that it gets the lock.
func (l *Log) begin(ctx context.Context) (*sql.Tx, error) {
	for deadline := time.Now().Add(beginPatience); ; {
		t, err := l.writer.BeginTx(ctx, nil)
		busy, isSQLite := errors.AsType[*sqlite.Error](err)
		if !isSQLite || busy.Code()&0xff != sqlitecodes.SQLITE_BUSY || time.Now().After(deadline) {
			return t, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond + rand.N(time.Millisecond)):
		}
	}
}

// Lead always returns true, because polling a local file costs little.
func (l *Log) Lead(context.Context) (bool, error) { return true, nil }
