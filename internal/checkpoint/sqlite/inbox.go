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

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	migratesqlite "github.com/eventfeed/eventfeed/internal/db/migrate/sqlite"
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

const insertInbox = `INSERT INTO eventfeed_inbox_events
	(consumer, feed_id, feed, position, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// Inbox is a Sink that adds every event to the table eventfeed_inbox_events.
type Inbox struct{}

// Setup does nothing: all consumers share the table, and it exists before.
func (Inbox) Setup(context.Context, *sql.Tx) error { return nil }

// Prepare does nothing.
func (Inbox) Prepare(context.Context, *sql.Tx) error { return nil }

// Apply adds a batch with one prepared statement.
func (Inbox) Apply(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) (checkpoint.Outcome, error) {
	return checkpoint.Outcome{}, insertIntoInbox(ctx, tx, b)
}

func insertIntoInbox(ctx context.Context, tx *sql.Tx, b checkpoint.Batch) error {
	insert, err := tx.PrepareContext(ctx, insertInbox)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for i := range b.Events {
		e := &b.Events[i]
		_, err := insert.ExecContext(ctx, b.Consumer, e.FeedID, e.Feed, e.Position, e.ID, e.Source, e.Type, null(e.Subject),
			cloudevents.FormatTime(e.Time), null(e.DataContentType), null(e.DataSchema), null(string(checkpoint.ExtensionsJSON(e.Extensions))), e.Data)
		// A violation of another table's key comes from a trigger.
		if code, ok := errors.AsType[*sqlite.Error](err); ok && code.Code() == sqlitecodes.SQLITE_CONSTRAINT_PRIMARYKEY &&
			strings.Contains(code.Error(), "eventfeed_inbox_events.consumer") {
			err = fmt.Errorf("%w: %w", checkpoint.ErrThere, err)
		}
		if err != nil {
			return &checkpoint.EventError{Feed: e.Feed, Position: e.Position, ID: e.ID, Err: err}
		}
	}
	return nil
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}
