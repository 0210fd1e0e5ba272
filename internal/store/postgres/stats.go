package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
)

// StatsQuery reads the state of all feeds. Its arguments are the number up to which it counts, and
// the number of refused rows whose reasons it compares. Tests explain it.
const StatsQuery = `
	WITH RECURSIVE busy (feed) AS (
		(SELECT p.feed FROM eventfeed.pending p ORDER BY p.feed LIMIT 1)
		UNION ALL
		SELECT (SELECT p.feed FROM eventfeed.pending p WHERE p.feed > b.feed ORDER BY p.feed LIMIT 1) FROM busy b WHERE b.feed IS NOT NULL),
	queue (feed, pending, oldest) AS (
		SELECT b.feed, q.pending, q.oldest FROM busy b, LATERAL (
			SELECT count(*) AS pending, min(c.insert_no) AS oldest
			FROM (SELECT p.insert_no FROM eventfeed.pending p WHERE p.feed = b.feed ORDER BY p.insert_no LIMIT $1) c) q
		WHERE b.feed IS NOT NULL)
	SELECT f.name, f.held, f.position, f.archives, f.open_page - 1 - f.archives, coalesce(q.pending, 0), coalesce(q.oldest, 0),
	       (SELECT count(*) FROM (SELECT FROM eventfeed.refused r WHERE r.feed = f.feed ORDER BY r.number LIMIT $1) refused),
	       (SELECT r.refused FROM eventfeed.refused r WHERE r.feed = f.feed ORDER BY r.number LIMIT 1),
	       (SELECT r.refused FROM eventfeed.refused r WHERE r.feed = f.feed ORDER BY r.number DESC LIMIT 1),
	       coalesce(w.reason, ''), coalesce(w.rows, 0), coalesce(w.first, 0), e.started, e.reason,
	       coalesce((SELECT t.n_dead_tup FROM pg_catalog.pg_stat_user_tables t WHERE t.relid = 'eventfeed.pending'::regclass), 0)
	FROM eventfeed.feeds f
	CROSS JOIN LATERAL (SELECT e.started, e.reason FROM eventfeed.epochs e WHERE e.feed = f.feed ORDER BY e.ordinal DESC LIMIT 1) e
	LEFT JOIN LATERAL (
		SELECT left(c.reason, 500) AS reason, count(*) AS rows, min(c.number) AS first
		FROM (SELECT r.reason, r.number FROM eventfeed.refused r WHERE r.feed = f.feed ORDER BY r.number LIMIT $2) c
		GROUP BY c.reason ORDER BY 2 DESC, 3 LIMIT 1) w ON true
	LEFT JOIN queue q ON q.feed = f.feed ORDER BY f.name`

// Stats reads the state of all feeds in one statement. Like Work it skips through the index of
// pending, and counts in the index's order; otherwise the planner might read a long queue once for
// each feed. The number of dead rows is PostgreSQL's estimate, which a standby does not have.
func (l *Log) Stats(ctx context.Context) (s store.Stats, err error) {
	rows, err := l.db.Query(ctx, StatsQuery, store.PendingCounted, store.RefusedCompared)
	if err != nil {
		return s, err
	}
	s.Feeds, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f store.FeedStats, err error) {
		var first, last *time.Time
		err = row.Scan(&f.Name, &f.Held, &f.Position, &f.Archives, &f.Unsealed, &f.Pending, &f.Oldest, &f.Refused, &first, &last,
			&f.RefusedReason.Text, &f.RefusedReason.Rows, &f.RefusedReason.First, &f.EpochStarted, &f.EpochReason, &s.DeadPending)
		if first != nil && last != nil {
			f.RefusedFirst, f.RefusedLast = *first, *last
		}
		return f, err
	})
	return s, err
}
