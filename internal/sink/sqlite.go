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

// CountSQLite counts a consumer's events of a feed behind a position in the
// inbox; there are none where there is no inbox.
func CountSQLite(ctx context.Context, db *sql.DB, consumer, feedID string, after int64) (n int64, err error) {
	there, err := inboxInSQLite(ctx, db)
	if err != nil || !there {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM eventfeed_inbox_events WHERE consumer = ? AND feed_id = ? AND position > ?",
		consumer, feedID, after).Scan(&n)
	return n, err
}

// DeleteSQLite deletes a consumer's events of a feed behind a position from
// the inbox, if there is one.
func DeleteSQLite(ctx context.Context, tx *sql.Tx, consumer, feedID string, after int64) error {
	there, err := inboxInSQLite(ctx, tx)
	if err != nil || !there {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM eventfeed_inbox_events WHERE consumer = ? AND feed_id = ? AND position > ?",
		consumer, feedID, after)
	return err
}

func inboxInSQLite(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}) (there bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'eventfeed_inbox_events'").Scan(&there)
	return there, err
}
