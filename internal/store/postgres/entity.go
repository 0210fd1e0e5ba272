package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/event"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/outbox"
)

const entityPlace = `
	SELECT p.position, p.digest, p.recorded
	FROM eventfeed.entity_events n JOIN eventfeed.positions p ON p.insert_no = n.insert_no
	WHERE n.feed = $1 AND n.subject = $2 AND n.version = $3`

// EntityPlace finds one row in each of two unique indexes.
func (q queries) EntityPlace(ctx context.Context, key int64, subject string, version int64) (place store.EntityPlace, err error) {
	var digest []byte
	err = q.db.QueryRow(ctx, entityPlace, key, subject, version).Scan(&place.Position, &digest, &place.Recorded)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.EntityPlace{}, nil
	}
	if err != nil {
		return store.EntityPlace{}, err
	}
	place.Version, place.Digest, place.Recorded = version, feed.Digest(digest), place.Recorded.UTC()
	return place, nil
}

// versions are the placed versions of an entity from $3 to $4. The plan is nested loops by
// construction: one that is kept for all entities must not hash all events for the few of one.
const versions = `
	FROM (SELECT v.version, v.insert_no FROM eventfeed.entity_events v
	      WHERE v.feed = $1 AND v.subject = $2 AND v.version BETWEEN $3 AND $4 ORDER BY v.version OFFSET 0) n
	CROSS JOIN LATERAL (SELECT q.position, q.digest, q.recorded FROM eventfeed.positions q WHERE q.insert_no = n.insert_no OFFSET 0) p
	CROSS JOIN LATERAL (SELECT * FROM eventfeed.events g WHERE g.insert_no = n.insert_no OFFSET 0) e
	ORDER BY n.version`

const entityOutline = `
	SELECT n.version, p.position, e.time, coalesce(octet_length(e.data), 0)
	       + (SELECT coalesce(sum(octet_length(x.key) + octet_length(x.value)), 0) FROM jsonb_each_text(e.extensions) x)` + versions

// EntityOutline reads no data: its size is in the row.
func (q queries) EntityOutline(ctx context.Context, key int64, subject string, first, last int64) ([]store.EntityOutline, error) {
	rows, err := q.db.Query(ctx, entityOutline, key, subject, first, last)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o store.EntityOutline, err error) {
		err = row.Scan(&o.Version, &o.Position, &o.Time, &o.Bytes)
		o.Time = o.Time.UTC()
		return o, err
	})
}

const entityRows = `
	SELECT n.version, coalesce(octet_length(e.data), 0), p.position, p.recorded,
	       e.id, e.source, e.type, coalesce(e.subject, ''), e.time, coalesce(e.datacontenttype, ''), coalesce(e.dataschema, ''),
	       CASE WHEN $5 = 0 THEN e.extensions
	            ELSE jsonb_strip_nulls(jsonb_build_object('authid', left(e.extensions ->> 'authid', 500), 'authtype', left(e.extensions ->> 'authtype', 500))) END,
	       CASE WHEN $5 = 0 THEN e.data ELSE substring(e.data FROM 1 FOR $5::int) END` + versions

// EntityRows reads as much of each event as it is asked for.
func (q queries) EntityRows(ctx context.Context, key int64, subject string, first, last, cut int64, yield func(*store.EntityRow) error) error {
	rows, err := q.db.Query(ctx, entityRows, key, subject, first, last, cut)
	if err != nil {
		return err
	}
	var s eventScan
	var version, size, position int64
	var recorded time.Time
	_, err = pgx.ForEachRow(rows, s.targets(&version, &size, &position, &recorded), func() error {
		if err := s.finish(); err != nil {
			return err
		}
		return yield(&store.EntityRow{
			Placed:  event.Placed{Event: s.Event, Position: position, Recorded: recorded.UTC()},
			Version: version, DataSize: size,
		})
	})
	return err
}

// EntitySnapshots leaves out those of events that were lost. Each snapshot's event is looked up by its
// key: a join may be planned to read all events of the entity.
func (q queries) EntitySnapshots(ctx context.Context, key int64, subject string) ([]store.Snapshotted, error) {
	rows, err := q.db.Query(ctx, `
		SELECT s.subject, s.name, s.revision, s.version
		FROM eventfeed.snapshots s
		WHERE s.feed = $1 AND s.subject = $2
			AND s.insert_no = (SELECT n.insert_no FROM eventfeed.entity_events n WHERE n.feed = s.feed AND n.subject = s.subject AND n.version = s.version)
		ORDER BY s.name, s.revision`, key, subject)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s store.Snapshotted, err error) {
		err = row.Scan(&s.Subject, &s.Name, &s.Revision, &s.Version)
		return s, err
	})
}

// AppendToEntity appends in one transaction. The version is compared under the entity's lock by the
// append itself, everything else after it, still under that lock.
func (l *Log) AppendToEntity(ctx context.Context, name, subject string, condition store.EntityCondition, events []event.Event) (added int, version int64, err error) {
	for range appendAttempts {
		err = postgresdb.DoWatched(ctx, l.pool, func(tx pgx.Tx) (err error) {
			added, version, err = appendToEntity(ctx, tx, name, subject, condition, events)
			return err
		})
		_, isConflict := errors.AsType[*outbox.VersionError](err)
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "40001" || isConflict {
			break
		}
	}
	if conflict, ok := errors.AsType[*outbox.VersionError](err); ok {
		err = &store.ChangedError{Version: conflict.Version}
	}
	return added, version, l.writing(err)
}

func appendToEntity(ctx context.Context, tx pgx.Tx, name, subject string, condition store.EntityCondition, events []event.Event) (added int, version int64, err error) {
	var expected outbox.Versions
	if condition.Expected {
		expected = outbox.Versions{subject: condition.Version}
	}
	result, err := outbox.AppendExpecting(ctx, tx, name, expected, events...)
	if err != nil {
		return 0, 0, err
	}
	log := queries{tx}
	var key int64
	var entities bool
	err = tx.QueryRow(ctx, "SELECT n.feed, n.entities FROM eventfeed.entity_feeds n WHERE n.name = $1", name).Scan(&key, &entities)
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
