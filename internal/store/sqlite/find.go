package sqlite

import (
	"context"
	"encoding/json"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Placed finds the events with the unique index on their ids.
func (l *Log) Placed(ctx context.Context, key int64, events []event.Event) ([]int64, error) {
	type name struct{ Source, ID string }
	names := make([]name, len(events))
	for i := range events {
		names[i] = name{events[i].Source, events[i].ID}
	}
	list, err := json.Marshal(names)
	if err != nil {
		return nil, err
	}
	return sqlitedb.CollectRows(ctx, l.reader, sqlitedb.RowTo[int64], `
		SELECT coalesce(p.position, 0)
		FROM json_each(?2) u
		LEFT JOIN eventfeed_events e ON e.feed = ?1 AND e.source = u.value ->> 'Source' AND e.id = u.value ->> 'ID'
		LEFT JOIN eventfeed_positions p ON p.insert_no = e.insert_no
		ORDER BY u.key`, key, string(list))
}

// Find skips from source to source in the unique index on ids.
func (q queries) Find(ctx context.Context, key int64, source, id string) ([]int64, error) {
	return sqlitedb.CollectRows(ctx, q.db, sqlitedb.RowTo[int64], `
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
