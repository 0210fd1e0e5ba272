package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Statuses returns the status of each checkpoint of every consumer; none if there is no table.
func (s *Session) Statuses(ctx context.Context) ([]checkpoint.Status, error) {
	var there bool
	err := postgresdb.NewReader(s.pool).QueryRow(ctx, "SELECT to_regclass('eventfeed_seed.checkpoints') IS NOT NULL").Scan(&there)
	if err != nil || !there {
		return nil, err
	}
	rows, err := postgresdb.NewReader(s.pool).Query(ctx, `
		SELECT c.consumer, c.feed, c.feed_id, c.epoch, c.position, c.digest, c.updated, `+postgresdb.IsLocked("'"+lockPrefix+"' || c.consumer")+`,
			c.url, c.seed_end, c.skipped, c.left_out, c.generation, n.sink, n.publishes_to, n.projection, n.schema, n.as_of, n.held_by, n.held_since,
			(SELECT count(*) FROM eventfeed_seed.parked p WHERE p.consumer = c.consumer AND p.feed_id = c.feed_id)
		FROM eventfeed_seed.checkpoints c JOIN eventfeed_seed.consumers n USING (consumer)
		ORDER BY c.consumer, c.feed, c.feed_id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanStatus)
}

func scanStatus(row pgx.CollectableRow) (s checkpoint.Status, err error) {
	c, n := &s.Checkpoint, &s.Consumer
	var digest []byte
	var asOf *time.Time
	err = row.Scan(&n.Name, &c.Feed, &c.FeedID, &c.Epoch, &c.Position, &digest, &c.Updated, &s.Held,
		&c.URL, &c.SeedEnd, &c.Skipped, &c.LeftOut, &c.Generation, &n.Sink, &n.PublishesTo, &n.Projection, &n.Schema, &asOf, &n.HeldBy, &n.HeldSince, &s.Parked)
	if err != nil {
		return s, err
	}
	c.Consumer, c.Digest = n.Name, feed.Digest(digest)
	if asOf != nil {
		n.AsOf = asOf.UTC()
	}
	return s, nil
}
