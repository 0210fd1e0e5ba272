package sink

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
)

// ReadPostgres calls yield with a consumer's events of a feed in the inbox, in
// order, after one position and up to another; with none where there is no inbox.
func ReadPostgres(ctx context.Context, tx pgx.Tx, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
	there, err := inboxInPostgres(ctx, tx)
	if err != nil || !there {
		return err
	}
	rows, err := tx.Query(ctx, `
		SELECT position, id, source, type, coalesce(subject, ''), time, coalesce(datacontenttype, ''), coalesce(dataschema, ''), extensions, data
		FROM eventfeed_inbox.events WHERE consumer = $1 AND feed_id = $2 AND position > $3 AND position <= $4 ORDER BY position`, consumer, feedID, after, to)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e event.Placed
		var extensions []byte
		err := rows.Scan(&e.Position, &e.ID, &e.Source, &e.Type, &e.Subject, &e.Time, &e.DataContentType, &e.DataSchema, &extensions, &e.Data)
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

// CountPostgres counts a consumer's events of a feed behind a position in the
// inbox; there are none where there is no inbox.
func CountPostgres(ctx context.Context, tx pgx.Tx, consumer, feedID string, after int64) (n int64, err error) {
	there, err := inboxInPostgres(ctx, tx)
	if err != nil || !there {
		return 0, err
	}
	err = tx.QueryRow(ctx, "SELECT count(*) FROM eventfeed_inbox.events WHERE consumer = $1 AND feed_id = $2 AND position > $3",
		consumer, feedID, after).Scan(&n)
	return n, err
}

// DeletePostgres deletes a consumer's events of a feed behind a position from
// the inbox, if there is one.
func DeletePostgres(ctx context.Context, tx pgx.Tx, consumer, feedID string, after int64) error {
	there, err := inboxInPostgres(ctx, tx)
	if err != nil || !there {
		return err
	}
	// With the settings of users: the table may have their triggers.
	_, err = tx.Exec(ctx, `DELETE FROM eventfeed_inbox.events
		WHERE consumer OPERATOR(pg_catalog.=) $1 AND feed_id OPERATOR(pg_catalog.=) $2 AND position OPERATOR(pg_catalog.>) $3`,
		consumer, feedID, after)
	return err
}

func inboxInPostgres(ctx context.Context, tx pgx.Tx) (there bool, err error) {
	err = tx.QueryRow(ctx, "SELECT pg_catalog.to_regclass('eventfeed_inbox.events') IS NOT NULL").Scan(&there)
	return there, err
}
