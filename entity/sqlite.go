package entity

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/outbox"
)

// sqliteLog does on SQLite what the functions in the schema eventfeed do on PostgreSQL.
type sqliteLog struct{ db SQLQuerier }

// feed returns the key of a feed that has entities.
func (l sqliteLog) feed(ctx context.Context, name string) (key int64, err error) {
	var entities bool
	err = l.db.QueryRowContext(ctx, `
		SELECT f.feed, n.entities FROM eventfeed_feeds f JOIN eventfeed_entity_feeds n ON n.feed = f.feed WHERE f.name = ?`, name).Scan(&key, &entities)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("feed %q: %w", name, outbox.ErrNoFeed)
	case err == nil && !entities:
		return 0, fmt.Errorf("feed %q: %w", name, outbox.ErrNoEntities)
	}
	return key, err
}

func (l sqliteLog) load(ctx context.Context, r request, yield func(*row) error) error {
	key, err := l.feed(ctx, r.feed)
	if err != nil {
		return err
	}
	if r.name != "" && r.after == 0 && r.asOf == nil {
		found, err := l.loadSnapshot(ctx, key, &r)
		if err != nil {
			return err
		}
		if found != nil {
			r.after = found.version
			if err := yield(found); err != nil {
				return err
			}
		}
	}
	for more := true; more; {
		if more, err = l.page(ctx, key, &r, yield); err != nil {
			return err
		}
	}
	return nil
}

func (l sqliteLog) loadSnapshot(ctx context.Context, key int64, r *request) (*row, error) {
	found := row{isSnapshot: true}
	err := l.db.QueryRowContext(ctx, `
		SELECT s.version, e.id, e.source, s.state, s.digest
		FROM eventfeed_snapshots s
		JOIN eventfeed_entity_events n ON n.feed = s.feed AND n.subject = s.subject AND n.version = s.version AND n.insert_no = s.insert_no
		JOIN eventfeed_events e ON e.insert_no = s.insert_no
		WHERE s.feed = ? AND s.subject = ? AND s.name = ? AND s.revision = ? AND s.version <= ?`,
		key, r.subject, r.name, r.revision, r.upTo).Scan(&found.version, &found.event.ID, &found.event.Source, &found.state, &found.digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &found, err
}

// page goes through one page of events, and moves the request behind them. Times are
// compared here: as texts they are not in order.
func (l sqliteLog) page(ctx context.Context, key int64, r *request, yield func(*row) error) (more bool, err error) {
	rows, err := l.db.QueryContext(ctx, `
		SELECT n.version, e.id, e.source, e.type, e.time, coalesce(e.datacontenttype, ''), coalesce(e.dataschema, ''), e.extensions, e.data
		FROM eventfeed_entity_events n JOIN eventfeed_events e ON e.insert_no = n.insert_no
		WHERE n.feed = ? AND n.subject = ? AND n.version > ? AND n.version <= ? ORDER BY n.version LIMIT ?`,
		key, r.subject, r.after, r.upTo, pageSize)
	if err != nil {
		return false, err
	}
	defer func() { _ = rows.Close() }() // Err has the error
	events := 0
	for rows.Next() {
		next, err := scanSQLite(rows)
		if err != nil {
			return false, err
		}
		events++
		r.after = next.version
		next.event.Subject = r.subject
		if r.asOf != nil && next.event.Time.After(*r.asOf) {
			continue
		}
		if err := yield(next); err != nil {
			return false, err
		}
	}
	return events == pageSize, rows.Err()
}

func scanSQLite(rows *sql.Rows) (*row, error) {
	next := new(row)
	e := &next.event
	var at string
	var extensions, data []byte
	err := rows.Scan(&next.version, &e.ID, &e.Source, &e.Type, &at, &e.DataContentType, &e.DataSchema, &extensions, &data)
	if err != nil {
		return nil, err
	}
	if e.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return nil, fmt.Errorf("event %q: %w", e.ID, err)
	}
	if len(data) > 0 {
		e.Data = data
	}
	if extensions != nil {
		err = json.Unmarshal(extensions, &e.Extensions)
	}
	return next, err
}

func (l sqliteLog) saveSnapshot(ctx context.Context, s *snapshot) (bool, error) {
	key, err := l.feed(ctx, s.feed)
	if err != nil {
		return false, err
	}
	const kept = 7 * 24 * time.Hour // of other revisions, for a release that is taken back
	now := time.Now().UTC()
	_, err = l.db.ExecContext(ctx, `
		DELETE FROM eventfeed_snapshots WHERE feed = ? AND subject = ? AND name = ? AND revision <> ? AND julianday(taken) < julianday(?)`,
		key, s.subject, s.name, s.revision, cloudevents.FormatTime(now.Add(-kept)))
	if err != nil {
		return false, err
	}
	result, err := l.db.ExecContext(ctx, `
		INSERT INTO eventfeed_snapshots (feed, subject, name, revision, version, insert_no, digest, state, taken)
		SELECT n.feed, n.subject, ?6, ?7, n.version, n.insert_no, ?8, ?9, ?10
		FROM eventfeed_entity_events n JOIN eventfeed_events e ON e.insert_no = n.insert_no
		WHERE n.feed = ?1 AND n.subject = ?2 AND n.version = ?3 AND e.id = ?4 AND e.source = ?5
		ON CONFLICT (feed, subject, name, revision) DO UPDATE
		SET version = excluded.version, insert_no = excluded.insert_no, digest = excluded.digest, state = excluded.state, taken = excluded.taken
		WHERE version <= excluded.version OR NOT EXISTS ( -- it is of events that were lost
			SELECT 1 FROM eventfeed_entity_events o WHERE o.feed = eventfeed_snapshots.feed AND o.subject = eventfeed_snapshots.subject
				AND o.version = eventfeed_snapshots.version AND o.insert_no = eventfeed_snapshots.insert_no)`,
		key, s.subject, s.version, s.last.id, s.last.source, s.name, s.revision, s.digest, s.state, cloudevents.FormatTime(now))
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func (l sqliteLog) snapshots(ctx context.Context, feed, name, revision, after string) ([]subjectVersion, error) {
	key, err := l.feed(ctx, feed)
	if err != nil {
		return nil, err
	}
	rows, err := l.db.QueryContext(ctx, `
		SELECT s.subject, s.version FROM eventfeed_snapshots s
		WHERE s.feed = ? AND s.subject > ? AND s.name = ? AND s.revision = ? ORDER BY s.subject LIMIT ?`, key, after, name, revision, pageSize)
	if err != nil {
		return nil, err
	}
	return scanSubjects(rows)
}
