package sink

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/eventfeed/eventfeed/event"
)

// ReadSQLite calls yield with a consumer's events of a feed in the inbox, in
// order, after one position and up to another; with none where there is no inbox.
func ReadSQLite(ctx context.Context, db *sql.DB, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
	there, err := inboxInSQLite(ctx, db)
	if err != nil || !there {
		return err
	}
	rows, err := db.QueryContext(ctx, `
		SELECT position, id, source, type, coalesce(subject, ''), time, coalesce(datacontenttype, ''), coalesce(dataschema, ''), extensions, data
		FROM eventfeed_inbox_events WHERE consumer = ? AND feed_id = ? AND position > ? AND position <= ? ORDER BY position`, consumer, feedID, after, to)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e event.Placed
		var time string
		var extensions []byte
		err := rows.Scan(&e.Position, &e.ID, &e.Source, &e.Type, &e.Subject, &time, &e.DataContentType, &e.DataSchema, &extensions, &e.Data)
		if err == nil {
			e.Time, err = event.ParseTime(time)
		}
		if err == nil && extensions != nil {
			err = json.Unmarshal(extensions, &e.Extensions)
		}
		if err != nil {
			return err
		}
		if err := yield(&e); err != nil {
			return err
		}
	}
	return rows.Err()
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
