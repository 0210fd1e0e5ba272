package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

// StartNumbering leaves the row of a numbering that ended early. It waits for the end of
// one that is switching the feed: that one's row is gone then, and must not come again.
func (t tx) StartNumbering(ctx context.Context, key int64) error {
	_, err := t.Exec(ctx, `
		INSERT INTO eventfeed.entity_numbering (feed, position)
		SELECT n.feed, 0 FROM eventfeed.entity_feeds n WHERE n.feed = $1 AND NOT n.entities FOR SHARE
		ON CONFLICT DO NOTHING`, key)
	return err
}

// number gives versions to a batch of events: rows of subject, insert_no and place,
// which says their order.
const number = `
	raised AS (
		INSERT INTO eventfeed.entities AS n (feed, subject, version)
		SELECT $1, b.subject, count(*) FROM batch b GROUP BY b.subject ORDER BY b.subject COLLATE "C"
		ON CONFLICT ON CONSTRAINT entities_pkey DO UPDATE SET version = n.version + excluded.version
		RETURNING n.subject, n.version)
	INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no)
	SELECT $1, b.subject, r.version - count(*) OVER (PARTITION BY b.subject) + row_number() OVER (PARTITION BY b.subject ORDER BY b.place), b.insert_no
	FROM batch b JOIN raised r ON r.subject = b.subject`

// NumberPlaced locks the row of the numbering, so that any number of them go on in turn.
func (t tx) NumberPlaced(ctx context.Context, key int64, limit int) (numbered, last int64, err error) {
	err = t.QueryRow(ctx, "SELECT g.position FROM eventfeed.entity_numbering g WHERE g.feed = $1 FOR UPDATE", key).Scan(&numbered)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, nil // another process has done it
	}
	if err != nil {
		return 0, 0, err
	}
	err = t.QueryRow(ctx, "SELECT coalesce(max(p.position), 0) FROM eventfeed.positions p WHERE p.feed = $1", key).Scan(&last)
	if err != nil {
		return 0, 0, err
	}
	end := min(numbered+int64(limit), last)
	_, err = t.Exec(ctx, `
		WITH batch AS MATERIALIZED (
			SELECT e.subject, e.insert_no, p.position AS place
			FROM eventfeed.positions p JOIN eventfeed.events e ON e.insert_no = p.insert_no
			WHERE p.feed = $1 AND p.position > $2 AND p.position <= $3 AND e.subject IS NOT NULL),`+number, key, numbered, end)
	if err != nil {
		return 0, 0, err
	}
	_, err = t.Exec(ctx, "UPDATE eventfeed.entity_numbering SET position = $2 WHERE feed = $1", key, end)
	return end, last, err
}

// StopAppends locks the row that appends outside of READ COMMITTED lock, and then what
// all of them lock: in this order they cannot wait for one another.
func (t tx) StopAppends(ctx context.Context, key int64) error {
	if _, err := t.Exec(ctx, "SELECT FROM eventfeed.entity_feeds n WHERE n.feed = $1 FOR UPDATE", key); err != nil {
		return err
	}
	_, err := t.Exec(ctx, "SELECT eventfeed.lock_pending()")
	return err
}

// NumberPending ends a numbering.
func (t tx) NumberPending(ctx context.Context, key int64) error {
	ended, err := t.Exec(ctx, "DELETE FROM eventfeed.entity_numbering g WHERE g.feed = $1", key)
	if err != nil || ended.RowsAffected() == 0 {
		return err
	}
	_, err = t.Exec(ctx, `
		WITH batch AS MATERIALIZED (
			SELECT e.subject, e.insert_no, e.insert_no AS place
			FROM eventfeed.pending p JOIN eventfeed.events e ON e.insert_no = p.insert_no
			WHERE p.feed = $1 AND e.subject IS NOT NULL),`+number, key)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "UPDATE eventfeed.entity_feeds SET entities = true WHERE feed = $1", key)
	return err
}

// Appending names sessions and prepared transactions that hold the lock of an append, the
// oldest ones: those are what one waits for. Who has prepared a transaction has its virtual
// id no more, so it is found by its own id, which it has locked, too.
func (l *Log) Appending(ctx context.Context) ([]string, error) {
	rows, err := l.db.Query(ctx, `
		SELECT coalesce('session ' || k.pid || coalesce(' of ' || a.usename, '') || coalesce(', ' || nullif(a.application_name, ''), ''),
		                'prepared transaction ' || coalesce(quote_literal(x.gid), k.virtualtransaction)),
		       coalesce(a.xact_start, x.prepared)
		FROM pg_locks k
		LEFT JOIN pg_stat_activity a ON a.pid = k.pid
		LEFT JOIN pg_prepared_xacts x ON k.pid IS NULL AND EXISTS (
			SELECT FROM pg_locks t WHERE t.locktype = 'transactionid' AND t.transactionid = x.transaction AND t.virtualtransaction = k.virtualtransaction AND t.pid IS NULL)
		WHERE k.locktype = 'relation' AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
		  AND k.relation = 'eventfeed.pending'::regclass AND k.mode = 'RowExclusiveLock' AND k.granted
		ORDER BY age(coalesce(a.backend_xid, x.transaction)) DESC NULLS LAST LIMIT 5`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (name string, err error) {
		var since *time.Time
		if err := row.Scan(&name, &since); err != nil || since == nil {
			return name, err
		}
		return fmt.Sprintf("%s, since %s", name, since.UTC().Format(time.TimeOnly)), nil
	})
}

// EntityFault asks one question after the other; each sees the log at one moment.
func (l *Log) EntityFault(ctx context.Context, key int64) (fault string, err error) {
	for _, question := range []string{
		`SELECT format('%s has version %s at position %s after version %s at position %s', to_json(o.subject), o.version, o.position, o.last_version, o.last_position)
		FROM (SELECT n.subject, n.version, n.insert_no, p.position, lag(n.version, 1, 0::bigint) OVER w AS last_version,
		             lag(n.insert_no) OVER w AS last_insert, lag(p.position) OVER w AS last_position
		      FROM eventfeed.entity_events n LEFT JOIN eventfeed.positions p ON p.insert_no = n.insert_no WHERE n.feed = $1
		      WINDOW w AS (PARTITION BY n.subject ORDER BY n.version)) o
		WHERE o.version <> o.last_version + 1 OR o.position < o.last_position
		   OR o.position IS NOT NULL AND o.last_position IS NULL AND o.last_version > 0 OR o.position IS NULL AND o.last_position IS NULL AND o.insert_no < o.last_insert LIMIT 1`,
		`SELECT format('%s is at version %s and has %s events', to_json(coalesce(n.subject, c.subject)), n.version, coalesce(c.events, 0))
		FROM (SELECT * FROM eventfeed.entities WHERE feed = $1) n
		FULL JOIN (SELECT v.subject, count(*) AS events FROM eventfeed.entity_events v WHERE v.feed = $1 GROUP BY v.subject) c ON c.subject = n.subject
		WHERE coalesce(n.version, 0) <> coalesce(c.events, 0) LIMIT 1`,
		// A full join, which is never nested loops: their number would be the square of an entity's events.
		`SELECT CASE WHEN n.insert_no IS NULL THEN format('event %s of %s has no version', to_json(e.id), to_json(e.subject))
		             ELSE format('version %s of %s is no event', n.version, to_json(n.subject)) END
		FROM (SELECT * FROM eventfeed.events WHERE feed = $1 AND subject IS NOT NULL) e
		FULL JOIN (SELECT * FROM eventfeed.entity_events WHERE feed = $1) n ON n.insert_no = e.insert_no AND n.subject = e.subject
		WHERE e.insert_no IS NULL OR n.insert_no IS NULL LIMIT 1`,
	} {
		err := l.db.QueryRow(ctx, question, key).Scan(&fault)
		if !errors.Is(err, pgx.ErrNoRows) {
			return fault, err
		}
	}
	return "", nil
}

// Snapshots leaves out those of events that were lost: no load returns them.
func (l *Log) Snapshots(ctx context.Context, key int64, yield func(store.Snapshotted) error) error {
	rows, err := l.db.Query(ctx, `
		SELECT s.subject, s.name, s.revision, s.version, s.digest
		FROM eventfeed.snapshots s
		JOIN eventfeed.entity_events n ON n.feed = s.feed AND n.subject = s.subject AND n.version = s.version AND n.insert_no = s.insert_no
		WHERE s.feed = $1 AND s.digest IS NOT NULL ORDER BY s.subject, s.version`, key)
	if err != nil {
		return err
	}
	var s store.Snapshotted
	var digest []byte
	_, err = pgx.ForEachRow(rows, []any{&s.Subject, &s.Name, &s.Revision, &s.Version, &digest}, func() error {
		s.Digest = feed.Digest(digest)
		return yield(s)
	})
	return err
}

// EntityEvents reads by the index of versions.
func (l *Log) EntityEvents(ctx context.Context, key int64, subject string, upTo int64, yield func(*event.Event) error) error {
	rows, err := l.db.Query(ctx, `
		SELECT `+eventColumns+` FROM eventfeed.entity_events n JOIN eventfeed.events e ON e.insert_no = n.insert_no
		WHERE n.feed = $1 AND n.subject = $2 AND n.version <= $3 ORDER BY n.version`, key, subject, upTo)
	if err != nil {
		return err
	}
	var s eventScan
	_, err = pgx.ForEachRow(rows, s.targets(), func() error {
		if err := s.finish(); err != nil {
			return err
		}
		return yield(&s.Event)
	})
	return err
}
