package sink

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
	migratesqlite "github.com/eventfeed/eventfeed/internal/db/migrate/sqlite"
)

//go:embed sqlite_migrations/*.sql
var sqliteMigrations embed.FS

// MigrateSQLite makes the inbox where it is missing.
func MigrateSQLite(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(sqliteMigrations, "sqlite_migrations")
	if err != nil {
		return err
	}
	return migratesqlite.Migrations{Prefix: "eventfeed_inbox_", Files: files}.Up(ctx, db)
}

const insertInbox = `INSERT INTO eventfeed_inbox_events
	(consumer, feed_id, feed, position, id, source, type, subject, time, datacontenttype, dataschema, extensions, data)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// SQLite adds a batch to the inbox with one prepared statement.
func SQLite(ctx context.Context, tx *sql.Tx, b Batch) error {
	insert, err := tx.PrepareContext(ctx, insertInbox)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for i := range b.Events {
		e := &b.Events[i]
		_, err := insert.ExecContext(ctx, b.Consumer, e.FeedID, e.Feed, e.Position, e.ID, e.Source, e.Type, null(e.Subject),
			event.FormatTime(e.Time), null(e.DataContentType), null(e.DataSchema), null(string(extensionsJSON(e.Extensions))), e.Data)
		// The key of another table is a trigger's affair.
		if code, ok := errors.AsType[*sqlite.Error](err); ok && code.Code() == sqlitecodes.SQLITE_CONSTRAINT_PRIMARYKEY &&
			strings.Contains(code.Error(), "eventfeed_inbox_events.consumer") {
			err = fmt.Errorf("%w: %w", ErrThere, err)
		}
		if err != nil {
			return fmt.Errorf("position %d (event %s): %w", e.Position, e.ID, err)
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
