package sqlite

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/store"
)

// Find hops from source to source over the index that keeps ids unique.
func (l *Log) Find(ctx context.Context, key int64, source, id string) ([]int64, error) {
	position := func(row scanner) (p int64, err error) {
		err = row.Scan(&p)
		return p, err
	}
	return collect(ctx, l.reader, position, `
		WITH RECURSIVE sources (source) AS (
			SELECT min(e.source) FROM eventfeed_events e WHERE e.feed = ?1 AND e.source >= ?2
			UNION ALL
			SELECT (SELECT min(e.source) FROM eventfeed_events e WHERE e.feed = ?1 AND e.source > s.source)
			FROM sources s WHERE s.source IS NOT NULL AND ?2 = '')
		SELECT p.position
		FROM (SELECT s.source FROM sources s WHERE s.source IS NOT NULL LIMIT ?4) s
		JOIN eventfeed_events e ON e.feed = ?1 AND e.source = s.source AND e.id = ?3
		JOIN eventfeed_positions p ON p.insert_no = e.insert_no
		WHERE ?2 IN ('', s.source) ORDER BY p.position`, key, source, id, store.MaxSources)
}
