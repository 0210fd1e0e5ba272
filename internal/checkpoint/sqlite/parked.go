package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

const selectParked = `SELECT consumer, feed_id, feed, position, recorded, live, event, error, attempts, parked FROM eventfeed_parked
	WHERE (?1 = '' OR consumer = ?1) AND (?2 = '' OR feed = ?2 OR feed_id = ?2) AND (?3 = '' OR subject = ?3) `

// parked is a parked event with the size of its column "event".
type parked struct {
	checkpoint.Parked
	size int
}

func scanParked(row sqlitedb.Row) (p parked, err error) {
	var text []byte
	err = row.Scan(&p.Consumer, &p.FeedID, &p.Feed, &p.Position, sqlitedb.Time(&p.Recorded), &p.Live, &text, &p.Error, &p.Attempts, sqlitedb.Time(&p.Since))
	if err == nil {
		err = p.Restore(text)
	}
	p.size = len(text)
	return p, err
}

// Entities returns the entities of a consumer's parked events.
func (s *Session) Entities(ctx context.Context, consumer string) (map[checkpoint.Entity]bool, error) {
	scan := func(row sqlitedb.Row) (e checkpoint.Entity, err error) {
		err = row.Scan(&e.FeedID, &e.Subject)
		return e, err
	}
	rows := sqlitedb.Rows(ctx, s.db, scan, "SELECT DISTINCT feed_id, subject FROM eventfeed_parked WHERE consumer = ? AND subject <> ''", consumer)
	entities := make(map[checkpoint.Entity]bool)
	for e, err := range rows {
		if err != nil {
			return nil, err
		}
		entities[e] = true
	}
	return entities, nil
}

// Park parks events.
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
		_, err := insert.ExecContext(ctx, e.Consumer, e.FeedID, e.Position, e.Feed, e.ID, e.Type, e.Subject,
			sqlitedb.NullTime(e.Recorded), e.Live, e.Stored(), e.ErrorText(), e.Attempts, now)
		if err != nil {
			return err
		}
	}
	return nil
}

// NextParked returns the next of one consumer's parked events after a place; none at the end.
func (t transaction) NextParked(ctx context.Context, of checkpoint.ParkedFilter, after checkpoint.ParkedPlace) ([]checkpoint.Parked, error) {
	rows := sqlitedb.Rows(ctx, t, scanParked, selectParked+`AND (feed_id, position) > (?4, ?5) ORDER BY feed_id, position LIMIT ?6`,
		of.Consumer, of.Feed, of.Subject, after.FeedID, after.Position, checkpoint.ParkedPageEvents)
	var page checkpoint.ParkedPage
	for p, err := range rows {
		if err != nil {
			return nil, err
		}
		if !page.Add(p.Parked, p.size) {
			break
		}
	}
	return page.Events, nil
}

// Unpark deletes a parked event that was applied.
func (t transaction) Unpark(ctx context.Context, e *checkpoint.Parked) error {
	_, err := t.ExecContext(ctx, "DELETE FROM eventfeed_parked WHERE consumer = ? AND feed_id = ? AND position = ?",
		e.Consumer, e.FeedID, e.Position)
	return err
}

// KeepParked stores another failed attempt to apply an event.
func (t transaction) KeepParked(ctx context.Context, e *checkpoint.Parked) error {
	_, err := t.ExecContext(ctx, "UPDATE eventfeed_parked SET error = ?, attempts = ? WHERE consumer = ? AND feed_id = ? AND position = ?",
		e.ErrorText(), e.Attempts, e.Consumer, e.FeedID, e.Position)
	return err
}

// ListParked calls yield with parked events until it returns false. Without the table there
// are none.
func (s *Session) ListParked(ctx context.Context, of checkpoint.ParkedFilter, yield func(checkpoint.Parked) bool) error {
	if err := s.openExisting(ctx); err != nil {
		return err
	}
	if there, err := s.hasParked(ctx); err != nil || !there {
		return err
	}
	rows := sqlitedb.Rows(ctx, s.db, scanParked, selectParked+"ORDER BY consumer, feed_id, position", of.Consumer, of.Feed, of.Subject)
	for p, err := range rows {
		if err != nil || !yield(p.Parked) {
			return err
		}
	}
	return nil
}

// selectFailed reads the first events that failed, by an index that has no others.
const selectFailed = `SELECT feed_id, feed, position, id, type, subject, error, attempts, parked FROM eventfeed_parked INDEXED BY eventfeed_parked_failed
	WHERE consumer = ? AND error <> '' ORDER BY feed_id, position LIMIT ?`

// FailedParked returns the first of a consumer's parked events that have failed, up to a number,
// in the order of feed ids and positions. It leaves out events that only wait for an earlier one,
// and of each event its source, time, extensions and data. Without the table there are none.
func (s *Session) FailedParked(ctx context.Context, consumer string, most int) ([]checkpoint.Parked, error) {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return nil, err
	}
	scan := func(row sqlitedb.Row) (p checkpoint.Parked, err error) {
		p.Consumer = consumer
		err = row.Scan(&p.FeedID, &p.Feed, &p.Position, &p.ID, &p.Type, &p.Subject, &p.Error, &p.Attempts, sqlitedb.Time(&p.Since))
		return p, err
	}
	return sqlitedb.CollectRows(ctx, s.db, scan, selectFailed, consumer, most)
}

// countFailed counts the first events that failed by their errors, the most frequent ones first, and reads
// the first event of each.
const countFailed = `
	WITH failed AS MATERIALIZED (
		SELECT error, subject, feed_id, position, row_number() OVER (ORDER BY feed_id, position) AS number
		FROM (SELECT error, subject, feed_id, position FROM eventfeed_parked INDEXED BY eventfeed_parked_failed
		      WHERE consumer = ?1 AND error <> '' ORDER BY feed_id, position LIMIT ?2)),
	causes AS MATERIALIZED (
		SELECT error, count(*) AS events, sum(count(*)) OVER () AS of, sum(count(*) FILTER (WHERE subject <> '')) OVER () AS entities, count(*) OVER () AS causes, min(number) AS first
		FROM failed GROUP BY error ORDER BY events DESC, error LIMIT ?3)
	SELECT c.error, c.events, c.of, c.entities, c.causes, p.feed_id, p.feed, p.position, p.id, p.type, p.subject, p.error,
	       CASE WHEN length(p.event) <= ?4 THEN p.event END
	FROM causes c JOIN failed f ON f.number = c.first
	JOIN eventfeed_parked p ON p.consumer = ?1 AND p.feed_id = f.feed_id AND p.position = f.position
	ORDER BY c.events DESC, c.error`

// Failures counts the first of a consumer's parked events that have failed, and their most
// frequent errors. Without the table there are none.
func (s *Session) Failures(ctx context.Context, consumer string) (f checkpoint.Failures, err error) {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return f, err
	}
	scan := func(row sqlitedb.Row) (one checkpoint.Failure, err error) {
		var text []byte
		e := &one.Example
		err = row.Scan(&one.Error, &one.Events, &f.Events, &f.Entities, &f.Errors, &e.FeedID, &e.Feed, &e.Position, &e.ID, &e.Type, &e.Subject, &e.Error, &text)
		if err == nil {
			err = one.RestoreExample(text)
		}
		return one, err
	}
	f.Frequent, err = sqlitedb.CollectRows(ctx, s.db, scan, countFailed, consumer, checkpoint.MaxFailures+1, checkpoint.FrequentFailures, checkpoint.MaxExample)
	return f, err
}

// ParkedCounts counts the parked events of every consumer. Without the table there are none.
func (s *Session) ParkedCounts(ctx context.Context) ([]checkpoint.ParkedCount, error) {
	if there, err := s.hasParked(ctx); err != nil || !there {
		return nil, err
	}
	scan := func(row sqlitedb.Row) (c checkpoint.ParkedCount, err error) {
		err = row.Scan(&c.Consumer, &c.FeedID, &c.Events, sqlitedb.Time(&c.Since))
		return c, err
	}
	return sqlitedb.CollectRows(ctx, s.db, scan, `
		SELECT consumer, feed_id, count(*), min(parked) FROM eventfeed_parked
		GROUP BY consumer, feed_id ORDER BY consumer, feed_id`)
}

// CountParked counts a consumer's parked events of a feed after a position.
func (s *Session) CountParked(ctx context.Context, consumer, feedID string, after int64) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM eventfeed_parked WHERE consumer = ? AND feed_id = ? AND position > ?",
		consumer, feedID, after).Scan(&n)
	return n, err
}

func (s *Session) hasParked(ctx context.Context) (there bool, err error) {
	err = s.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'eventfeed_parked'").Scan(&there)
	return there, err
}

// Savepoints returns a function that runs do in a savepoint, and rolls back to it if do returns
// an error.
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
		if undone != nil { // as after RAISE(ROLLBACK), which has rolled back the whole transaction
			return fmt.Errorf("undo what failed (%s): %w", err.Error(), undone)
		}
		return err
	}, nil
}
