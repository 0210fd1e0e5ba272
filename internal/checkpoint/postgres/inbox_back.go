package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// inbox is a checkpoint.Inbox: the tables of a session's inbox.
type inbox struct{ *Session }

// Inbox returns the inbox; nil if the sink is not one.
func (s *Session) Inbox() checkpoint.Inbox {
	if _, is := s.sink.(*Inbox); !is {
		return nil
	}
	return inbox{s}
}

// Table returns the name of the view with all columns.
func (inbox) Table() string { return "eventfeed_inbox.events" }

// Count counts a consumer's events of a feed after a position; 0 if there is no inbox table.
func (b inbox) Count(ctx context.Context, consumer, feedID string, after int64) (n int64, err error) {
	err = b.Do(ctx, func(tx pgx.Tx) error {
		n, err = countInbox(ctx, tx, consumer, feedID, after)
		return err
	})
	return n, err
}

// Read calls yield with a consumer's events of a feed after one position and up to another, in
// order. It reads nothing if there is no inbox table.
func (b inbox) Read(ctx context.Context, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
	return b.Do(ctx, func(tx pgx.Tx) error { return readInbox(ctx, tx, consumer, feedID, after, to, yield) })
}

func readInbox(ctx context.Context, tx pgx.Tx, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
	there, err := hasInbox(ctx, tx)
	if err != nil || !there {
		return err
	}
	rows, err := tx.Query(ctx, `
		SELECT position, id, source, type, coalesce(subject, ''), time, coalesce(datacontenttype, ''), coalesce(dataschema, ''), extensions, data
		FROM eventfeed_inbox.feed_events
		WHERE feed_number = (SELECT number FROM eventfeed_inbox.feeds WHERE consumer = $1 AND feed_id = $2) AND position > $3 AND position <= $4
		ORDER BY position`, consumer, feedID, after, to)
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

func countInbox(ctx context.Context, tx pgx.Tx, consumer, feedID string, after int64) (n int64, err error) {
	there, err := hasInbox(ctx, tx)
	if err != nil || !there {
		return 0, err
	}
	err = tx.QueryRow(ctx, `
		SELECT count(*) FROM eventfeed_inbox.feed_events
		WHERE feed_number = (SELECT number FROM eventfeed_inbox.feeds WHERE consumer = $1 AND feed_id = $2) AND position > $3`,
		consumer, feedID, after).Scan(&n)
	return n, err
}

// removeFromInbox deletes a consumer's events of a feed after a position from the inbox, if the
// sink is an inbox and its table exists.
func (s *Session) removeFromInbox(ctx context.Context, tx pgx.Tx, c checkpoint.Checkpoint, after int64) error {
	if s.Inbox() == nil {
		return nil
	}
	there, err := hasInbox(ctx, tx)
	if err != nil || !there {
		return err
	}
	// With the settings of users' SQL, because the table may have triggers.
	_, err = tx.Exec(ctx, `DELETE FROM eventfeed_inbox.feed_events
		WHERE feed_number OPERATOR(pg_catalog.=) (SELECT number FROM eventfeed_inbox.feeds
		      WHERE consumer OPERATOR(pg_catalog.=) $1 AND feed_id OPERATOR(pg_catalog.=) $2)
		  AND position OPERATOR(pg_catalog.>) $3`,
		c.Consumer, c.FeedID, after)
	return err
}

// forgetFeeds deletes feeds of which the inbox has no event any more.
func (s *Session) forgetFeeds(ctx context.Context, tx pgx.Tx, of []checkpoint.Checkpoint) error {
	there, err := hasInbox(ctx, tx)
	if err != nil || !there || s.Inbox() == nil {
		return err
	}
	for _, c := range of {
		_, err := tx.Exec(ctx, `DELETE FROM eventfeed_inbox.feeds
			WHERE consumer OPERATOR(pg_catalog.=) $1 AND feed_id OPERATOR(pg_catalog.=) $2`, c.Consumer, c.FeedID)
		if err != nil {
			return err
		}
	}
	return nil
}

func hasInbox(ctx context.Context, tx pgx.Tx) (there bool, err error) {
	err = tx.QueryRow(ctx, "SELECT pg_catalog.to_regclass('eventfeed_inbox.events') IS NOT NULL").Scan(&there)
	return there, err
}
