package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
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
func (inbox) Table() string { return "eventfeed_inbox_events" }

// Count counts a consumer's events of a feed after a position; 0 if there is no inbox table.
func (b inbox) Count(ctx context.Context, consumer, feedID string, after int64) (int64, error) {
	return countInbox(ctx, b.db, consumer, feedID, after)
}

// Read calls yield with a consumer's events of a feed after one position and up to another, in
// order. It reads nothing if there is no inbox table.
func (b inbox) Read(ctx context.Context, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
	return readInbox(ctx, b.db, consumer, feedID, after, to, yield)
}

func readInbox(ctx context.Context, db *sql.DB, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error {
	there, err := hasInbox(ctx, db)
	if err != nil || !there {
		return err
	}
	rows := sqlitedb.Rows(ctx, db, scanInbox, `
		SELECT position, id, source, type, coalesce(subject, ''), time, coalesce(datacontenttype, ''), coalesce(dataschema, ''), extensions, data
		FROM eventfeed_inbox_feed_events
		WHERE feed_number = (SELECT number FROM eventfeed_inbox_feeds WHERE consumer = ? AND feed_id = ?) AND position > ? AND position <= ?
		ORDER BY position`, consumer, feedID, after, to)
	for e, err := range rows {
		if err != nil {
			return err
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	return nil
}

func scanInbox(row sqlitedb.Row) (*event.Placed, error) {
	var e event.Placed
	var extensions []byte
	err := row.Scan(&e.Position, &e.ID, &e.Source, &e.Type, &e.Subject, sqlitedb.Time(&e.Time), &e.DataContentType, &e.DataSchema, &extensions, &e.Data)
	if err == nil && extensions != nil {
		err = json.Unmarshal(extensions, &e.Extensions)
	}
	return &e, err
}

func countInbox(ctx context.Context, db *sql.DB, consumer, feedID string, after int64) (n int64, err error) {
	there, err := hasInbox(ctx, db)
	if err != nil || !there {
		return 0, err
	}
	err = db.QueryRowContext(ctx, `
		SELECT count(*) FROM eventfeed_inbox_feed_events
		WHERE feed_number = (SELECT number FROM eventfeed_inbox_feeds WHERE consumer = ? AND feed_id = ?) AND position > ?`,
		consumer, feedID, after).Scan(&n)
	return n, err
}

// removeFromInbox deletes a consumer's events of a feed after a position from the inbox, if the
// sink is an inbox and its table exists.
func (s *Session) removeFromInbox(ctx context.Context, tx *sql.Tx, c checkpoint.Checkpoint, after int64) error {
	if s.Inbox() == nil {
		return nil
	}
	there, err := hasInbox(ctx, tx)
	if err != nil || !there {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		DELETE FROM eventfeed_inbox_feed_events
		WHERE feed_number = (SELECT number FROM eventfeed_inbox_feeds WHERE consumer = ? AND feed_id = ?) AND position > ?`,
		c.Consumer, c.FeedID, after)
	return err
}

// forgetFeeds deletes feeds of which the inbox has no event any more.
func (s *Session) forgetFeeds(ctx context.Context, tx *sql.Tx, of []checkpoint.Checkpoint) error {
	there, err := hasInbox(ctx, tx)
	if err != nil || !there || s.Inbox() == nil {
		return err
	}
	for _, c := range of {
		_, err := tx.ExecContext(ctx, "DELETE FROM eventfeed_inbox_feeds WHERE consumer = ? AND feed_id = ?", c.Consumer, c.FeedID)
		if err != nil {
			return err
		}
	}
	return nil
}

func hasInbox(ctx context.Context, db sqlitedb.Querier) (there bool, err error) {
	err = db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'eventfeed_inbox_events'").Scan(&there)
	return there, err
}
