package sqlite

import (
	"context"
	"database/sql"
	"errors"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
)

const archivedTypes = `
	SELECT type, dataschema, events, first_position, last_position FROM eventfeed_event_types
	WHERE feed = ? AND (type, dataschema) > (?, ?) ORDER BY type, dataschema LIMIT ?`

// ArchivedTypes reads types in the order of the primary key.
func (q queries) ArchivedTypes(ctx context.Context, key int64, after feed.TypeKey, limit int) ([]feed.TypeCount, error) {
	return sqlitedb.CollectRows(ctx, q.db, scanType, archivedTypes, key, after.Type, after.DataSchema, limit)
}

const countTypes = `
	SELECT e.type, coalesce(e.dataschema, ''), count(*), min(p.position), max(p.position)
	FROM eventfeed_positions p CROSS JOIN eventfeed_events e
	WHERE p.feed = ? AND p.position BETWEEN ? AND ? AND e.insert_no = p.insert_no GROUP BY e.type, coalesce(e.dataschema, '')`

// CountTypes reads the rows of a few positions. CROSS JOIN keeps SQLite from joining in another order.
func (q queries) CountTypes(ctx context.Context, key, first, last int64) ([]feed.TypeCount, error) {
	return sqlitedb.CollectRows(ctx, q.db, scanType, countTypes, key, first, last)
}

func scanType(row sqlitedb.Row) (c feed.TypeCount, err error) {
	err = row.Scan(&c.Type, &c.DataSchema, &c.Events, &c.First, &c.Last)
	return c, err
}

// WrongType recounts in the database, which keeps what does not fit into its memory on disk. It groups
// both sides together, because SQLite compares each row of a FULL JOIN with each other one.
func (q queries) WrongType(ctx context.Context, key, last int64) (stored, counted feed.TypeCount, found bool, err error) {
	err = q.db.QueryRowContext(ctx, `
		SELECT u.type, u.dataschema, sum(u.stored_events), sum(u.stored_first), sum(u.stored_last),
		       sum(u.events), sum(u.first_position), sum(u.last_position)
		FROM (
			SELECT e.type AS type, coalesce(e.dataschema, '') AS dataschema,
			       count(*) AS events, min(p.position) AS first_position, max(p.position) AS last_position,
			       0 AS stored_events, 0 AS stored_first, 0 AS stored_last
			FROM eventfeed_positions p JOIN eventfeed_events e ON e.insert_no = p.insert_no
			WHERE p.feed = ?1 AND p.position <= ?2 GROUP BY 1, 2
			UNION ALL
			SELECT s.type, s.dataschema, 0, 0, 0, s.events, s.first_position, s.last_position
			FROM eventfeed_event_types s WHERE s.feed = ?1) u
		GROUP BY u.type, u.dataschema
		HAVING sum(u.stored_events) <> sum(u.events) OR sum(u.stored_first) <> sum(u.first_position) OR sum(u.stored_last) <> sum(u.last_position)
		ORDER BY 1, 2 LIMIT 1`, key, last).Scan(&counted.Type, &counted.DataSchema,
		&stored.Events, &stored.First, &stored.Last, &counted.Events, &counted.First, &counted.Last)
	stored.TypeKey = counted.TypeKey
	if errors.Is(err, sql.ErrNoRows) {
		return stored, counted, false, nil
	}
	return stored, counted, err == nil, err
}

func (t tx) AddTypes(ctx context.Context, key int64, counts []feed.TypeCount) error {
	if len(counts) == 0 {
		return nil
	}
	add, err := t.PrepareContext(ctx, `
		INSERT INTO eventfeed_event_types (feed, type, dataschema, events, first_position, last_position) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (feed, type, dataschema) DO UPDATE
			SET events = events + excluded.events, last_position = excluded.last_position`)
	if err != nil {
		return err
	}
	defer func() { _ = add.Close() }()
	for _, c := range counts {
		if _, err := add.ExecContext(ctx, key, c.Type, c.DataSchema, c.Events, c.First, c.Last); err != nil {
			return err
		}
	}
	return nil
}
