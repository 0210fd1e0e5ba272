package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// ArchivedTypes reads types in the order of the primary key.
func (q queries) ArchivedTypes(ctx context.Context, key int64, after feed.TypeKey, limit int) ([]feed.TypeCount, error) {
	rows, err := q.db.Query(ctx, `
		SELECT type, dataschema, events, first_position, last_position FROM eventfeed.event_types
		WHERE feed = $1 AND (type, dataschema) > ($2, $3) ORDER BY type, dataschema LIMIT $4`, key, after.Type, after.DataSchema, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanType)
}

// HasType finds the first row of a range of the primary key.
func (q queries) HasType(ctx context.Context, key int64, name string) (has bool, err error) {
	err = q.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM eventfeed.event_types WHERE feed = $1 AND type = $2)`, key, name).Scan(&has)
	return has, err
}

// CountTypes reads the rows of a few positions. OFFSET 0 keeps the planner from reading all events
// to join them, which it might prefer for a page of a short history.
func (q queries) CountTypes(ctx context.Context, key, first, last int64) ([]feed.TypeCount, error) {
	rows, err := q.db.Query(ctx, `
		SELECT e.type, e.dataschema, count(*), min(p.position), max(p.position)
		FROM eventfeed.positions p, LATERAL (
			SELECT e.type, coalesce(e.dataschema, '') AS dataschema FROM eventfeed.events e WHERE e.insert_no = p.insert_no OFFSET 0) e
		WHERE p.feed = $1 AND p.position BETWEEN $2 AND $3 GROUP BY e.type, e.dataschema`, key, first, last)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanType)
}

func scanType(row pgx.CollectableRow) (c feed.TypeCount, err error) {
	err = row.Scan(&c.Type, &c.DataSchema, &c.Events, &c.First, &c.Last)
	return c, err
}

// WrongType recounts in the database, which keeps what does not fit into its memory on disk.
func (q queries) WrongType(ctx context.Context, key, last int64) (stored, counted feed.TypeCount, found bool, err error) {
	err = q.db.QueryRow(ctx, `
		WITH counted AS (
			SELECT e.type COLLATE "C" AS type, coalesce(e.dataschema, '') COLLATE "C" AS dataschema,
			       count(*) AS events, min(p.position) AS first_position, max(p.position) AS last_position
			FROM eventfeed.positions p JOIN eventfeed.events e ON e.insert_no = p.insert_no
			WHERE p.feed = $1 AND p.position <= $2 GROUP BY 1, 2),
		stored AS (SELECT * FROM eventfeed.event_types WHERE feed = $1)
		SELECT coalesce(c.type, s.type), coalesce(c.dataschema, s.dataschema),
		       coalesce(s.events, 0), coalesce(s.first_position, 0), coalesce(s.last_position, 0),
		       coalesce(c.events, 0), coalesce(c.first_position, 0), coalesce(c.last_position, 0)
		FROM counted c FULL JOIN stored s ON s.type = c.type AND s.dataschema = c.dataschema
		WHERE (c.events, c.first_position, c.last_position) IS DISTINCT FROM (s.events, s.first_position, s.last_position)
		ORDER BY 1, 2 LIMIT 1`, key, last).Scan(&counted.Type, &counted.DataSchema,
		&stored.Events, &stored.First, &stored.Last, &counted.Events, &counted.First, &counted.Last)
	stored.TypeKey = counted.TypeKey
	if errors.Is(err, pgx.ErrNoRows) {
		return stored, counted, false, nil
	}
	return stored, counted, err == nil, err
}

func (t tx) AddTypes(ctx context.Context, key int64, counts []feed.TypeCount) error {
	if len(counts) == 0 {
		return nil
	}
	types, schemas := make([]string, len(counts)), make([]string, len(counts))
	events, firsts, lasts := make([]int64, len(counts)), make([]int64, len(counts)), make([]int64, len(counts))
	for i, c := range counts {
		types[i], schemas[i], events[i], firsts[i], lasts[i] = c.Type, c.DataSchema, c.Events, c.First, c.Last
	}
	_, err := t.Exec(ctx, `
		INSERT INTO eventfeed.event_types AS t (feed, type, dataschema, events, first_position, last_position)
		SELECT $1, u.type, u.dataschema, u.events, u.first_position, u.last_position
		FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
			AS u (type, dataschema, events, first_position, last_position)
		ON CONFLICT (feed, type, dataschema) DO UPDATE
			SET events = t.events + excluded.events, last_position = excluded.last_position`,
		key, types, schemas, events, firsts, lasts)
	return err
}
