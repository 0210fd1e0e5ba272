package sqlite

import (
	"context"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
)

// StatsQuery reads the state of all feeds. Its argument is the number up to which it counts. Tests
// explain it.
const StatsQuery = `
	SELECT f.name, f.held, f.position, f.archives, f.open_page - 1 - f.archives,
	       (SELECT count(*) FROM (SELECT 1 FROM eventfeed_pending p WHERE p.feed = f.feed LIMIT ?)),
	       coalesce((SELECT p.insert_no FROM eventfeed_pending p WHERE p.feed = f.feed ORDER BY p.insert_no LIMIT 1), 0), e.started, e.reason
	FROM eventfeed_feeds f
	JOIN eventfeed_epochs e ON e.feed = f.feed AND e.ordinal = (SELECT max(l.ordinal) FROM eventfeed_epochs l WHERE l.feed = f.feed)
	ORDER BY f.name`

// Stats reads the state of all feeds in one statement.
func (l *Log) Stats(ctx context.Context) (s store.Stats, err error) {
	scan := func(row sqlitedb.Row) (f store.FeedStats, err error) {
		err = row.Scan(&f.Name, &f.Held, &f.Position, &f.Archives, &f.Unsealed, &f.Pending, &f.Oldest,
			sqlitedb.Time(&f.EpochStarted), &f.EpochReason)
		return f, err
	}
	s.Feeds, err = sqlitedb.CollectRows(ctx, l.reader, scan, StatsQuery, store.PendingCounted)
	return s, err
}
