package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	migratesqlite "github.com/eventfeed/eventfeed/internal/db/migrate/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

//go:embed inbox_migrations/*.sql
var inboxMigrations embed.FS

// migrateInbox creates the inbox if it is missing.
func migrateInbox(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(inboxMigrations, "inbox_migrations")
	if err != nil {
		return err
	}
	return migratesqlite.Migrations{Prefix: "eventfeed_inbox_", Files: files}.Up(ctx, db)
}

const insertInbox = `INSERT INTO eventfeed_inbox_feed_events
	(feed_number, position, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
	VALUES ` + inboxRow

const inboxRow = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

// Inbox is a Sink that adds every event to the table eventfeed_inbox_feed_events. The view
// eventfeed_inbox_events shows it with the names of consumers and feeds.
type Inbox struct {
	numbers map[string]int32 // of the feeds, by their ids
}

// Setup does nothing: all consumers share the table, and it exists before.
func (*Inbox) Setup(context.Context, *sql.Tx) error { return nil }

// Prepare does nothing.
func (*Inbox) Prepare(context.Context, *sql.Tx) error { return nil }

// Apply adds a batch with one prepared statement.
func (i *Inbox) Apply(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) (checkpoint.Outcome, error) {
	return checkpoint.Outcome{}, i.insert(ctx, tx, b)
}

// numberFeeds gives a number to each feed that a consumer has a checkpoint of.
func (i *Inbox) numberFeeds(ctx context.Context, tx *sql.Tx, consumer string) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO eventfeed_inbox_feeds (consumer, feed_id, feed)
		SELECT consumer, feed_id, feed FROM eventfeed_checkpoints WHERE consumer = ?
		ON CONFLICT (consumer, feed_id) DO UPDATE SET feed = excluded.feed WHERE feed <> excluded.feed`, consumer)
	if err != nil {
		return err
	}
	i.numbers = map[string]int32{}
	for f, err := range sqlitedb.Rows(ctx, tx, scanNumbered, "SELECT feed_id, number FROM eventfeed_inbox_feeds WHERE consumer = ?", consumer) {
		if err != nil {
			return err
		}
		i.numbers[f.id] = f.number
	}
	return nil
}

type numbered struct {
	id     string
	number int32
}

func scanNumbered(row sqlitedb.Row) (f numbered, err error) {
	return f, row.Scan(&f.id, &f.number)
}

func (i *Inbox) insert(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) error {
	if err := checkpoint.CheckNumbers(i.numbers, b.Events); err != nil {
		return err
	}
	if len(b.Events) < insertedRows {
		return i.insertSingly(ctx, tx, b.Events)
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT eventfeed_inbox"); err != nil {
		return err
	}
	if err := i.insertMany(ctx, tx, b.Events); err != nil {
		return i.blame(ctx, tx, b.Events, err)
	}
	_, err := tx.ExecContext(ctx, "RELEASE eventfeed_inbox")
	return err
}

// insertedRows are the rows of one statement: what a statement costs is then little beside its rows.
const insertedRows = 32

// insertMany inserts events by statements for many of them.
func (i *Inbox) insertMany(ctx context.Context, tx *sql.Tx, events []event.Delivered) error {
	many, err := prepareInsert(ctx, tx, insertedRows)
	if err != nil {
		return err
	}
	defer func() { _ = many.Close() }()
	for values := []any(nil); len(events) >= insertedRows; events = events[insertedRows:] {
		values = values[:0]
		for n := range events[:insertedRows] {
			values = i.appendRow(values, &events[n])
		}
		if _, err := many.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
	return i.insertSingly(ctx, tx, events)
}

// blame finds the event that made insertMany fail, by inserting them again, one by one.
func (i *Inbox) blame(ctx context.Context, tx *sql.Tx, events []event.Delivered, failed error) error {
	if _, err := tx.ExecContext(ctx, "ROLLBACK TO eventfeed_inbox"); err != nil {
		// A trigger, or a full disk, has rolled back the transaction. Nothing may stay of another one.
		if _, err := tx.ExecContext(ctx, "BEGIN"); err != nil {
			return failed
		}
		defer func() { _, _ = tx.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") }()
	}
	if err := i.insertSingly(ctx, tx, events); err != nil {
		return err
	}
	return failed
}

// insertSingly inserts each event by a statement of its own.
func (i *Inbox) insertSingly(ctx context.Context, tx *sql.Tx, events []event.Delivered) error {
	one, err := prepareInsert(ctx, tx, 1)
	if err != nil {
		return err
	}
	defer func() { _ = one.Close() }()
	for n := range events {
		e := &events[n]
		_, err := one.ExecContext(ctx, i.appendRow(nil, e)...)
		// A violation of another table's key comes from a trigger.
		if code, ok := errors.AsType[*sqlite.Error](err); ok && code.Code() == sqlitecodes.SQLITE_CONSTRAINT_PRIMARYKEY &&
			strings.Contains(code.Error(), "eventfeed_inbox_feed_events.feed_number") {
			err = fmt.Errorf("%w: %w", checkpoint.ErrThere, err)
		}
		if err != nil {
			return &checkpoint.EventError{Feed: e.Feed, Position: e.Position, ID: e.ID, Err: err}
		}
	}
	return nil
}

func prepareInsert(ctx context.Context, tx *sql.Tx, rows int) (*sql.Stmt, error) {
	return tx.PrepareContext(ctx, insertInbox+strings.Repeat(", "+inboxRow, rows-1))
}

func (i *Inbox) appendRow(values []any, e *event.Delivered) []any {
	return append(values, i.numbers[e.FeedID], e.Position, e.ID, e.Source, e.Type, null(e.Subject),
		cloudevents.FormatTime(e.Time), null(e.DataContentType), null(e.DataSchema), null(string(checkpoint.ExtensionsJSON(e.Extensions))), e.Data)
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}
