package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
)

// Stats looks at all feeds in one statement. The dead rows are PostgreSQL's own
// estimate, of which a standby has none.
func (l *Log) Stats(ctx context.Context) (s store.Stats, err error) {
	rows, err := l.pool.Query(ctx, `
		SELECT f.name, f.held, f.position, f.archives, f.open_page - 1 - f.archives,
		       (SELECT count(*) FROM (SELECT FROM eventfeed.pending p WHERE p.feed = f.feed LIMIT $1) counted),
		       coalesce((SELECT p.insert_no FROM eventfeed.pending p WHERE p.feed = f.feed ORDER BY p.insert_no LIMIT 1), 0),
		       coalesce((SELECT t.n_dead_tup FROM pg_catalog.pg_stat_user_tables t WHERE t.relid = 'eventfeed.pending'::regclass), 0)
		FROM eventfeed.feeds f ORDER BY f.name`, store.PendingCounted)
	if err != nil {
		return s, err
	}
	s.Feeds, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f store.FeedStats, err error) {
		err = row.Scan(&f.Name, &f.Held, &f.Position, &f.Archives, &f.Unsealed, &f.Pending, &f.Oldest, &s.DeadPending)
		return f, err
	})
	return s, err
}
