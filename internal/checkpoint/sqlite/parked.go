package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

const selectParked = `SELECT consumer, feed_id, feed, position, recorded, live, event, error, attempts, parked FROM eventfeed_parked
	WHERE (?1 = '' OR consumer = ?1) AND (?2 = '' OR feed = ?2 OR feed_id = ?2) AND (?3 = '' OR subject = ?3) `

func scanParked(rows *sql.Rows) (p checkpoint.Parked, size int, err error) {
	var text []byte
	var recordedText sql.NullString
	var since string
	err = rows.Scan(&p.Consumer, &p.FeedID, &p.Feed, &p.Position, &recordedText, &p.Live, &text, &p.Error, &p.Attempts, &since)
	var recorded *time.Time
	if err == nil && recordedText.Valid {
		var t time.Time
		t, err = cloudevents.ParseTime(recordedText.String)
		recorded = &t
	}
	if err == nil {
		p.Since, err = cloudevents.ParseTime(since)
	}
	if err == nil {
		err = p.Restore(text, recorded)
	}
	return p, len(text), err
}

// Entities returns the entities that a consumer has parked events of.
func (s *Session) Entities(ctx context.Context, consumer string) (map[checkpoint.Entity]bool, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT feed_id, subject FROM eventfeed_parked WHERE consumer = ? AND subject <> ''", consumer)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	entities := make(map[checkpoint.Entity]bool)
	for rows.Next() {
		var e checkpoint.Entity
		if err := rows.Scan(&e.FeedID, &e.Subject); err != nil {
			return nil, err
		}
		entities[e] = true
	}
	return entities, rows.Err()
}

// Park adds events to those that are parked.
func (t transaction) Park(ctx context.Context, events []checkpoint.Parked) error {
	if len(events) == 0 {
		return nil
	}
	insert, err := t.PrepareContext(ctx, `
		INSERT INTO eventfeed_parked (consumer, feed_id, position, feed, id, type, subject, recorded, live, event, error, attempts, parked)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	now := cloudevents.FormatTime(time.Now())
	for i := range events {
		e := &events[i]
		var recorded any
		if !e.Recorded.IsZero() {
			recorded = cloudevents.FormatTime(e.Recorded)
		}
		_, err := insert.ExecContext(ctx, e.Consumer, e.FeedID, e.Position, e.Feed, e.ID, e.Type, e.Subject,
			recorded, e.Live, e.Stored(), e.ErrorText(), e.Attempts, now)
		if err != nil {
			return err
		}
	}
	return nil
}

// NextParked returns the first parked events behind a place, of one consumer.
// At the end there are none.
func (t transaction) NextParked(ctx context.Context, of checkpoint.Shelf, after checkpoint.ParkedPlace) ([]checkpoint.Parked, error) {
	rows, err := t.QueryContext(ctx, selectParked+`AND (feed_id, position) > (?4, ?5) ORDER BY feed_id, position LIMIT ?6`,
		of.Consumer, of.Feed, of.Subject, after.FeedID, after.Position, checkpoint.ParkedPageEvents)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var page checkpoint.ParkedPage
	for rows.Next() {
		parked, size, err := scanParked(rows)
		if err != nil || !page.Add(parked, size) {
			return page.Events, err
		}
	}
	return page.Events, rows.Err()
}

// Unpark removes an event that has been applied.
func (t transaction) Unpark(ctx context.Context, e *checkpoint.Parked) error {
	_, err := t.ExecContext(ctx, "DELETE FROM eventfeed_parked WHERE consumer = ? AND feed_id = ? AND position = ?",
		e.Consumer, e.FeedID, e.Position)
	return err
}

// KeepParked writes down another attempt to apply an event.
func (t transaction) KeepParked(ctx context.Context, e *checkpoint.Parked) error {
	_, err := t.ExecContext(ctx, "UPDATE eventfeed_parked SET error = ?, attempts = ? WHERE consumer = ? AND feed_id = ? AND position = ?",
		e.ErrorText(), e.Attempts, e.Consumer, e.FeedID, e.Position)
	return err
}

// ListParked calls yield with parked events until it returns false. There are
// none where there is no table.
func (s *Session) ListParked(ctx context.Context, of checkpoint.Shelf, yield func(checkpoint.Parked) bool) error {
	if err := s.openExisting(ctx); err != nil {
		return err
	}
	if there, err := s.hasParked(ctx); err != nil || !there {
		return err
	}
	rows, err := s.db.QueryContext(ctx, selectParked+"ORDER BY consumer, feed_id, position", of.Consumer, of.Feed, of.Subject)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		parked, _, err := scanParked(rows)
		if err != nil || !yield(parked) {
			return err
		}
	}
	return rows.Err()
}

// ParkedCounts counts the parked events of every consumer. There are none where
// there is no table.
func (s *Session) ParkedCounts(ctx context.Context) (counts []checkpoint.ParkedCount, err error) {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `
		SELECT consumer, feed_id, count(*), min(parked) FROM eventfeed_parked
		GROUP BY consumer, feed_id ORDER BY consumer, feed_id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c checkpoint.ParkedCount
		var since string
		err := rows.Scan(&c.Consumer, &c.FeedID, &c.Events, &since)
		if err == nil {
			c.Since, err = cloudevents.ParseTime(since)
		}
		if err != nil {
			return nil, err
		}
		counts = append(counts, c)
	}
	return counts, rows.Err()
}

// CountParked counts a consumer's parked events of a feed behind a position.
func (s *Session) CountParked(ctx context.Context, consumer, feedID string, after int64) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM eventfeed_parked WHERE consumer = ? AND feed_id = ? AND position > ?",
		consumer, feedID, after).Scan(&n)
	return n, err
}

func (s *Session) hasParked(ctx context.Context) (there bool, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'eventfeed_parked'").Scan(&there)
	return there, err
}

// Savepoints returns what runs something in a savepoint of a transaction, which
// goes on as if it had not been if that returns an error.
func (t transaction) Savepoints(ctx context.Context) (try func(do func() error) error, err error) {
	return func(do func() error) error {
		if _, err := t.ExecContext(ctx, "SAVEPOINT eventfeed_event"); err != nil {
			return err
		}
		err := marked(do())
		if err == nil {
			_, err = t.ExecContext(ctx, "RELEASE eventfeed_event")
			return err
		}
		_, undone := t.ExecContext(ctx, "ROLLBACK TO eventfeed_event; RELEASE eventfeed_event")
		if undone != nil { // as after RAISE(ROLLBACK), which has undone all of the transaction
			return fmt.Errorf("undo what failed (%s): %w", err.Error(), undone)
		}
		return err
	}, nil
}
