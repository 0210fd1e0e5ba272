package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Placed finds the events with the unique index on their ids.
func (l *Log) Placed(ctx context.Context, key int64, events []event.Event) ([]int64, error) {
	sources, ids := make([]string, len(events)), make([]string, len(events))
	for i := range events {
		sources[i], ids[i] = events[i].Source, events[i].ID
	}
	rows, err := l.db.Query(ctx, `
		SELECT coalesce(p.position, 0)
		FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS u (source, id, n)
		LEFT JOIN eventfeed.events e ON e.feed = $1 AND e.source = u.source AND e.id = u.id
		LEFT JOIN eventfeed.positions p ON p.insert_no = e.insert_no
		ORDER BY u.n`, key, sources, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// Find skips from source to source in the unique index on ids.
func (q queries) Find(ctx context.Context, key int64, source, id string) ([]int64, error) {
	rows, err := q.db.Query(ctx, `
		WITH RECURSIVE sources (source) AS (
			(SELECT e.source FROM eventfeed.events e WHERE e.feed = $1 AND e.source >= $2 ORDER BY e.source LIMIT 1)
			UNION ALL
			SELECT (SELECT e.source FROM eventfeed.events e WHERE e.feed = $1 AND e.source > s.source ORDER BY e.source LIMIT 1)
			FROM sources s WHERE s.source IS NOT NULL AND $2 = '')
		SELECT p.position
		FROM (SELECT s.source FROM sources s WHERE s.source IS NOT NULL LIMIT $4) s
		JOIN eventfeed.events e ON e.feed = $1 AND e.source = s.source AND e.id = $3
		JOIN eventfeed.positions p ON p.insert_no = e.insert_no
		WHERE $2 IN ('', s.source) ORDER BY p.position`, key, source, id, store.MaxSources)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}
