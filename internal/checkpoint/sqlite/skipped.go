package sqlite

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

// addSkipped adds the skipped events of a move to the stored counts.
func addSkipped(ctx context.Context, tx *sql.Tx, m *checkpoint.Move) error {
	types := checkpoint.BoundTypes(m.SkippedTypes)
	names := slices.Sorted(maps.Keys(types))
	return repeat(ctx, tx, `
		INSERT INTO eventfeed_skipped AS s (consumer, feed_id, type, events)
		SELECT ?1, ?2, CASE WHEN (SELECT count(*) FROM eventfeed_skipped WHERE consumer = ?1 AND feed_id = ?2) < ?5
			OR EXISTS (SELECT 1 FROM eventfeed_skipped WHERE consumer = ?1 AND feed_id = ?2 AND type = ?3) THEN ?3 ELSE ?6 END, ?4
		WHERE true
		ON CONFLICT (consumer, feed_id, type) DO UPDATE SET events = s.events + excluded.events`,
		len(names), func(i int) []any {
			return []any{m.To.Consumer, m.To.FeedID, names[i], types[names[i]], checkpoint.MaxSkippedTypes, checkpoint.OtherTypes}
		})
}

// SkippedTypes returns the number of a consumer's skipped events by type, largest first.
func (s *Session) SkippedTypes(ctx context.Context, consumer string) (all []checkpoint.SkippedType, err error) {
	scan := func(row sqlitedb.Row) (t checkpoint.SkippedType, err error) {
		err = row.Scan(&t.Feed, &t.FeedID, &t.Type, &t.Events)
		return t, err
	}
	err = s.use(ctx, func(db sqlitedb.Querier) (err error) {
		all, err = sqlitedb.CollectRows(ctx, db, scan, `
			SELECT c.feed, s.feed_id, s.type, s.events FROM eventfeed_skipped s JOIN eventfeed_checkpoints c USING (consumer, feed_id)
			WHERE s.consumer = ? ORDER BY s.events DESC, s.type`, consumer)
		return err
	})
	return all, err
}
