package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Columns of a standing, in the tables as they are and as they were before 002.
const (
	postgresNow = `c.url, c.seed_end, c.skipped, c.left_out, coalesce(n.sink, ''), coalesce(n.projection, ''), coalesce(n.schema, ''), n.as_of,
		coalesce(n.held_by, ''), coalesce(n.held_since, c.updated),
		(SELECT count(*) FROM eventfeed_seed.parked p WHERE p.consumer = c.consumer AND p.feed_id = c.feed_id)
		FROM eventfeed_seed.checkpoints c LEFT JOIN eventfeed_seed.consumers n USING (consumer)`
	postgresBefore = `'', c.position, 0::bigint, 0::bigint, '', '', '', NULL::timestamptz, '', c.updated, 0::bigint
		FROM eventfeed_seed.checkpoints c`
)

// Standings returns how every consumer stands; none if there is no table.
func (s *Session) Standings(ctx context.Context) ([]checkpoint.Standing, error) {
	var there, now bool
	err := postgresdb.NewReader(s.pool).QueryRow(ctx, `SELECT to_regclass('eventfeed_seed.checkpoints') IS NOT NULL, to_regclass('eventfeed_seed.consumers') IS NOT NULL`).
		Scan(&there, &now)
	if err != nil || !there {
		return nil, err
	}
	columns := postgresBefore
	if now {
		columns = postgresNow
	}
	rows, err := postgresdb.NewReader(s.pool).Query(ctx, `SELECT c.consumer, c.feed, c.feed_id, c.epoch, c.position, c.digest, c.updated, `+
		postgresdb.IsLocked("'"+lockPrefix+"' || c.consumer")+`, `+columns+` ORDER BY c.consumer, c.feed, c.feed_id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanStanding)
}

func scanStanding(row pgx.CollectableRow) (s checkpoint.Standing, err error) {
	c, n := &s.Checkpoint, &s.Consumer
	var digest []byte
	var asOf *time.Time
	err = row.Scan(&n.Name, &c.Feed, &c.FeedID, &c.Epoch, &c.Position, &digest, &c.Updated, &s.Held,
		&c.URL, &c.SeedEnd, &c.Skipped, &c.LeftOut, &n.Sink, &n.Projection, &n.Schema, &asOf, &n.HeldBy, &n.HeldSince, &s.Parked)
	if err != nil {
		return s, err
	}
	c.Consumer, c.Digest = n.Name, feed.Digest(digest)
	if asOf != nil {
		n.AsOf = asOf.UTC()
	}
	return s, nil
}
