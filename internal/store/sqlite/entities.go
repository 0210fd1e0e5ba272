package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// StartNumbering leaves the row of a numbering that ended early, and makes none for a
// feed that another process has given entities meanwhile.
func (t tx) StartNumbering(ctx context.Context, key int64) error {
	_, err := t.ExecContext(ctx, `
		INSERT INTO eventfeed_entity_numbering (feed, position)
		SELECT n.feed, 0 FROM eventfeed_entity_feeds n WHERE n.feed = ? AND NOT n.entities
		ON CONFLICT DO NOTHING`, key)
	return err
}

// NumberPlaced numbers in a transaction that holds the write lock.
func (t tx) NumberPlaced(ctx context.Context, key int64, limit int) (numbered, last int64, err error) {
	err = t.QueryRowContext(ctx, `
		SELECT g.position, coalesce((SELECT max(p.position) FROM eventfeed_positions p WHERE p.feed = g.feed), 0)
		FROM eventfeed_entity_numbering g WHERE g.feed = ?`, key).Scan(&numbered, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil // another process has done it
	}
	if err != nil {
		return 0, 0, err
	}
	end := min(numbered+int64(limit), last)
	err = t.number(ctx, `
		SELECT e.subject, e.insert_no, p.position AS place
		FROM eventfeed_positions p JOIN eventfeed_events e ON e.insert_no = p.insert_no
		WHERE p.feed = ?1 AND p.position > ?2 AND p.position <= ?3 AND e.subject IS NOT NULL`, key, numbered, end)
	if err != nil {
		return 0, 0, err
	}
	_, err = t.ExecContext(ctx, "UPDATE eventfeed_entity_numbering SET position = ? WHERE feed = ?", end, key)
	return end, last, err
}

// number gives versions to the events of a query: rows of subject, insert_no and
// place, which says their order. Its first argument is the feed's key.
func (t tx) number(ctx context.Context, batch string, arguments ...any) error {
	_, err := t.ExecContext(ctx, `
		INSERT INTO eventfeed_entity_events (feed, subject, version, insert_no)
		SELECT ?1, b.subject, coalesce(n.version, 0) + row_number() OVER (PARTITION BY b.subject ORDER BY b.place), b.insert_no
		FROM (`+batch+`) b LEFT JOIN eventfeed_entities n ON n.feed = ?1 AND n.subject = b.subject`, arguments...)
	if err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, `
		INSERT INTO eventfeed_entities (feed, subject, version)
		SELECT ?1, b.subject, count(*) FROM (`+batch+`) b WHERE true GROUP BY b.subject
		ON CONFLICT (feed, subject) DO UPDATE SET version = version + excluded.version`, arguments...)
	return err
}

// StopAppends has nothing to do: the transaction holds the write lock.
func (t tx) StopAppends(context.Context, int64) error { return nil }

// NumberPending ends a numbering.
func (t tx) NumberPending(ctx context.Context, key int64) error {
	result, err := t.ExecContext(ctx, "DELETE FROM eventfeed_entity_numbering WHERE feed = ?", key)
	if err != nil {
		return err
	}
	if ended, err := result.RowsAffected(); err != nil || ended == 0 {
		return err
	}
	err = t.number(ctx, `
		SELECT e.subject, e.insert_no, e.insert_no AS place
		FROM eventfeed_pending p JOIN eventfeed_events e ON e.insert_no = p.insert_no
		WHERE p.feed = ?1 AND e.subject IS NOT NULL`, key)
	if err != nil {
		return err
	}
	_, err = t.ExecContext(ctx, "UPDATE eventfeed_entity_feeds SET entities = true WHERE feed = ?", key)
	return err
}

// Appending has nothing to say: SQLite does not tell who holds its lock.
func (l *Log) Appending(context.Context) ([]string, error) {
	return []string{"a transaction of another process"}, nil
}

// EntityFault asks one question after the other; each sees the log at one moment.
func (l *Log) EntityFault(ctx context.Context, key int64) (fault string, err error) {
	for _, question := range []string{
		`SELECT format('%s has version %d at position %d after version %d at position %d', json_quote(o.subject), o.version, o.position, o.last_version, o.last_position)
		FROM (SELECT n.subject, n.version, n.insert_no, p.position, lag(n.version, 1, 0) OVER w AS last_version,
		             lag(n.insert_no) OVER w AS last_insert, lag(p.position) OVER w AS last_position
		      FROM eventfeed_entity_events n LEFT JOIN eventfeed_positions p ON p.insert_no = n.insert_no WHERE n.feed = ?1
		      WINDOW w AS (PARTITION BY n.subject ORDER BY n.version)) o
		WHERE o.version <> o.last_version + 1 OR o.position < o.last_position
		   OR o.position IS NOT NULL AND o.last_position IS NULL AND o.last_version > 0 OR o.position IS NULL AND o.last_position IS NULL AND o.insert_no < o.last_insert LIMIT 1`,
		`SELECT format('%s is at version %d and has %d events', json_quote(n.subject), n.version, c.events)
		FROM eventfeed_entities n
		JOIN (SELECT v.subject, count(*) AS events FROM eventfeed_entity_events v WHERE v.feed = ?1 GROUP BY v.subject) c ON c.subject = n.subject
		WHERE n.feed = ?1 AND n.version <> c.events LIMIT 1`,
		`SELECT format('%s is at version %d and has no events', json_quote(n.subject), n.version) FROM eventfeed_entities n
		WHERE n.feed = ?1 AND n.version <> 0 AND NOT EXISTS (
			SELECT 1 FROM eventfeed_entity_events v WHERE v.feed = n.feed AND v.subject = n.subject) LIMIT 1`,
		`SELECT format('event %s of %s has no version', json_quote(e.id), json_quote(e.subject)) FROM eventfeed_events e
		WHERE e.feed = ?1 AND e.subject IS NOT NULL AND e.insert_no NOT IN (
			SELECT n.insert_no FROM eventfeed_entity_events n WHERE n.feed = ?1) LIMIT 1`,
		`SELECT format('version %d of %s is no event', n.version, json_quote(n.subject)) FROM eventfeed_entity_events n
		WHERE n.feed = ?1 AND (
			NOT EXISTS (SELECT 1 FROM eventfeed_events e WHERE e.insert_no = n.insert_no AND e.feed = n.feed AND e.subject = n.subject)
			OR NOT EXISTS (SELECT 1 FROM eventfeed_entities v WHERE v.feed = n.feed AND v.subject = n.subject)) LIMIT 1`,
	} {
		err := l.reader.QueryRowContext(ctx, question, key).Scan(&fault)
		if !errors.Is(err, sql.ErrNoRows) {
			return fault, err
		}
	}
	return "", nil
}

// Snapshots leaves out those of events that were lost: no load returns them.
func (l *Log) Snapshots(ctx context.Context, key int64, yield func(store.Snapshotted) error) error {
	scan := func(row sqlitedb.Row) (s store.Snapshotted, err error) {
		var digest []byte
		if err := row.Scan(&s.Subject, &s.Name, &s.Revision, &s.Version, &digest); err != nil {
			return s, err
		}
		s.Digest = feed.Digest(digest)
		return s, nil
	}
	rows := sqlitedb.Rows(ctx, l.reader, scan, `
		SELECT s.subject, s.name, s.revision, s.version, s.digest
		FROM eventfeed_snapshots s
		JOIN eventfeed_entity_events n ON n.feed = s.feed AND n.subject = s.subject AND n.version = s.version AND n.insert_no = s.insert_no
		WHERE s.feed = ? AND s.digest IS NOT NULL ORDER BY s.subject, s.version`, key)
	for s, err := range rows {
		if err != nil {
			return err
		}
		if err := yield(s); err != nil {
			return err
		}
	}
	return nil
}

// EntityEvents reads by the index of versions.
func (l *Log) EntityEvents(ctx context.Context, key int64, subject string, upTo int64, yield func(*event.Event) error) error {
	var s eventScan
	targets := s.targets()
	scan := func(row sqlitedb.Row) (*event.Event, error) {
		if err := row.Scan(targets...); err != nil {
			return nil, fmt.Errorf("event %q: %w", s.ID, err)
		}
		return &s.Event, s.finish()
	}
	rows := sqlitedb.Rows(ctx, l.reader, scan, `
		SELECT `+eventColumns+` FROM eventfeed_entity_events n JOIN eventfeed_events e ON e.insert_no = n.insert_no
		WHERE n.feed = ? AND n.subject = ? AND n.version <= ? ORDER BY n.version`, key, subject, upTo)
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
