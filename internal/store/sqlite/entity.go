package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/outbox"
)

// EntityPlace finds one row in each of two unique indexes.
func (q queries) EntityPlace(ctx context.Context, key int64, subject string, version int64) (place store.EntityPlace, err error) {
	var digest []byte
	err = q.db.QueryRowContext(ctx, `
		SELECT p.position, p.digest, p.recorded
		FROM eventfeed_entity_events n JOIN eventfeed_positions p ON p.insert_no = n.insert_no
		WHERE n.feed = ? AND n.subject = ? AND n.version = ?`, key, subject, version).Scan(&place.Position, &digest, sqlitedb.Time(&place.Recorded))
	if errors.Is(err, sql.ErrNoRows) {
		return store.EntityPlace{}, nil
	}
	if err != nil {
		return store.EntityPlace{}, err
	}
	place.Version, place.Digest = version, feed.Digest(digest)
	return place, nil
}

// versions are the placed versions of an entity from ?3 to ?4. CROSS JOIN keeps SQLite from reading
// the tables in another order.
const versions = `
	FROM eventfeed_entity_events n
	CROSS JOIN eventfeed_positions p ON p.insert_no = n.insert_no
	CROSS JOIN eventfeed_events e ON e.insert_no = n.insert_no
	WHERE n.feed = ?1 AND n.subject = ?2 AND n.version BETWEEN ?3 AND ?4 ORDER BY n.version`

const entityOutline = `
	SELECT n.version, p.position, e.time, coalesce(octet_length(e.data), 0)
	       + (SELECT coalesce(sum(octet_length(x.key) + octet_length(x.value)), 0) FROM json_each(e.extensions) x)` + versions

// EntityOutline reads no data: octet_length takes its size from the row's header, whether it is TEXT or
// a BLOB.
func (q queries) EntityOutline(ctx context.Context, key int64, subject string, first, last int64) ([]store.EntityOutline, error) {
	scan := func(row sqlitedb.Row) (o store.EntityOutline, err error) {
		err = row.Scan(&o.Version, &o.Position, sqlitedb.Time(&o.Time), &o.Bytes)
		return o, err
	}
	return sqlitedb.CollectRows(ctx, q.db, scan, entityOutline, key, subject, first, last)
}

const entityRows = `
	SELECT n.version, coalesce(octet_length(e.data), 0), p.position, p.recorded,
	       e.id, e.source, e.type, coalesce(e.subject, ''), e.time, coalesce(e.datacontenttype, ''), coalesce(e.dataschema, ''),
	       CASE WHEN ?5 = 0 THEN e.extensions
	            WHEN e.extensions IS NOT NULL THEN json_patch('{}', json_object(
	                'authid', substr(e.extensions ->> '$.authid', 1, 500), 'authtype', substr(e.extensions ->> '$.authtype', 1, 500))) END,
	       CASE WHEN ?5 = 0 THEN e.data ELSE substr(CAST(e.data AS BLOB), 1, ?5) END` + versions

// EntityRows reads as much of each event as it is asked for.
func (q queries) EntityRows(ctx context.Context, key int64, subject string, first, last, cut int64, yield func(*store.EntityRow) error) error {
	var s eventScan
	var version, size, position int64
	var recorded time.Time
	targets := s.targets(&version, &size, &position, sqlitedb.Time(&recorded))
	scan := func(row sqlitedb.Row) (*store.EntityRow, error) {
		if err := row.Scan(targets...); err != nil {
			return nil, fmt.Errorf("version %d: %w", version, err)
		}
		err := s.finish()
		return &store.EntityRow{
			Placed:  event.Placed{Event: s.Event, Position: position, Recorded: recorded},
			Version: version, DataSize: size,
		}, err
	}
	for row, err := range sqlitedb.Rows(ctx, q.db, scan, entityRows, key, subject, first, last, cut) {
		if err != nil {
			return err
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

// EntitySnapshots leaves out those of events that were lost.
func (q queries) EntitySnapshots(ctx context.Context, key int64, subject string) ([]store.Snapshotted, error) {
	scan := func(row sqlitedb.Row) (s store.Snapshotted, err error) {
		err = row.Scan(&s.Subject, &s.Name, &s.Revision, &s.Version)
		return s, err
	}
	return sqlitedb.CollectRows(ctx, q.db, scan, `
		SELECT s.subject, s.name, s.revision, s.version
		FROM eventfeed_snapshots s
		JOIN eventfeed_entity_events n ON n.feed = s.feed AND n.subject = s.subject AND n.version = s.version AND n.insert_no = s.insert_no
		WHERE s.feed = ? AND s.subject = ? ORDER BY s.name, s.revision`, key, subject)
}

// AppendToEntity appends in one transaction, which holds the write lock.
func (l *Log) AppendToEntity(ctx context.Context, name, subject string, condition store.EntityCondition, events []event.Event) (added int, version int64, err error) {
	err = l.write(ctx, func(t *sql.Tx) (err error) {
		added, version, err = appendToEntity(ctx, t, name, subject, condition, events)
		return err
	})
	if conflict, ok := errors.AsType[*outbox.VersionError](err); ok {
		err = &store.ChangedError{Version: conflict.Version}
	}
	return added, version, err
}

func appendToEntity(ctx context.Context, t *sql.Tx, name, subject string, condition store.EntityCondition, events []event.Event) (added int, version int64, err error) {
	var expected outbox.Versions
	if condition.Expected {
		expected = outbox.Versions{subject: condition.Version}
	}
	result, err := outbox.AppendSQLExpecting(ctx, t, name, expected, events...)
	if err != nil {
		return 0, 0, err
	}
	log := queries{t}
	var key int64
	var entities bool
	err = t.QueryRowContext(ctx, `
		SELECT f.feed, n.entities FROM eventfeed_feeds f JOIN eventfeed_entity_feeds n ON n.feed = f.feed WHERE f.name = ?`, name).Scan(&key, &entities)
	if err == nil && !entities {
		err = outbox.ErrNoEntities
	}
	if err == nil {
		version, err = log.EntityVersion(ctx, key, subject)
	}
	var place store.EntityPlace
	if err == nil && len(condition.Digests) > 0 {
		place, err = log.EntityPlace(ctx, key, subject, condition.Version)
	}
	if err == nil {
		err = condition.Check(result.New, version, place)
	}
	return result.New, version, err
}
