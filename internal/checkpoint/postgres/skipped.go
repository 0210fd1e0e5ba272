package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// addSkipped adds the skipped events of a move to the stored counts. It runs after users' SQL,
// so it qualifies every name with its schema.
func addSkipped(ctx context.Context, tx pgx.Tx, m *checkpoint.Move) error {
	if len(m.SkippedTypes) == 0 {
		return nil
	}
	var types [][]byte
	var events []int64
	for name, n := range checkpoint.BoundTypes(m.SkippedTypes) {
		types, events = append(types, []byte(name)), append(events, n)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO eventfeed_seed.skipped AS s (consumer, feed_id, type, events)
		SELECT $1, $2, named.type, pg_catalog.sum(named.events)::pg_catalog.int8
		FROM (SELECT CASE WHEN known.types OPERATOR(pg_catalog.<) $5::pg_catalog.int8
				OR EXISTS (SELECT FROM eventfeed_seed.skipped o WHERE o.consumer OPERATOR(pg_catalog.=) $1
					AND o.feed_id OPERATOR(pg_catalog.=) $2 AND o.type OPERATOR(pg_catalog.=) new.type)
				THEN new.type ELSE $6::pg_catalog.bytea END AS type, new.events
			FROM ROWS FROM (pg_catalog.unnest($3::pg_catalog.bytea[]), pg_catalog.unnest($4::pg_catalog.int8[])) AS new (type, events),
				(SELECT pg_catalog.count(*) AS types FROM eventfeed_seed.skipped o
				WHERE o.consumer OPERATOR(pg_catalog.=) $1 AND o.feed_id OPERATOR(pg_catalog.=) $2) AS known) AS named
		GROUP BY named.type
		ON CONFLICT (consumer, feed_id, type) DO UPDATE SET events = s.events OPERATOR(pg_catalog.+) excluded.events`,
		m.To.Consumer, m.To.FeedID, types, events, checkpoint.MaxSkippedTypes, []byte(checkpoint.OtherTypes))
	return err
}

// SkippedTypes returns the number of a consumer's skipped events by type, largest first.
func (s *Session) SkippedTypes(ctx context.Context, consumer string) (all []checkpoint.SkippedType, err error) {
	err = s.Do(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT c.feed, s.feed_id, s.type, s.events
			FROM eventfeed_seed.skipped s JOIN eventfeed_seed.checkpoints c USING (consumer, feed_id)
			WHERE s.consumer = $1 ORDER BY s.events DESC, s.type`, consumer)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (t checkpoint.SkippedType, err error) {
			var name []byte
			err = row.Scan(&t.Feed, &t.FeedID, &name, &t.Events)
			t.Type = string(name)
			return t, err
		})
		return err
	})
	return all, err
}
