package sink

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/migrate"
)

//go:embed sqlite_migrations/*.sql
var sqliteMigrations embed.FS

// MigrateSQLite makes the inbox where it is missing.
func MigrateSQLite(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(sqliteMigrations, "sqlite_migrations")
	if err != nil {
		return err
	}
	return migrate.SQLite(ctx, db, "eventfeed_inbox_schema_version", files)
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
		_, err := insert.ExecContext(ctx, b.Consumer, b.FeedID, b.Feed, e.Position, e.ID, e.Source, e.Type, null(e.Subject),
			event.FormatTime(e.Time), null(e.DataContentType), null(e.DataSchema), null(string(extensionsJSON(e.Extensions))), e.Data)
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
