package sqlite

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Statuses returns the status of each checkpoint of every consumer; none if there is no table.
func (s *Session) Statuses(ctx context.Context) (all []checkpoint.Status, err error) {
	if err := s.openExisting(ctx); err != nil {
		return nil, err
	}
	var there bool
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'eventfeed_checkpoints'").Scan(&there)
	if err != nil || !there {
		return nil, err
	}
	all, err = sqlitedb.CollectRows(ctx, s.db, scanStatus, `
		SELECT c.consumer, c.feed, c.feed_id, c.epoch, c.position, c.digest, c.updated,
			c.url, c.seed_end, c.skipped, c.left_out, c.generation, n.sink, n.publishes_to, n.projection, n.schema, n.as_of, n.held_by, n.held_since,
			(SELECT count(*) FROM eventfeed_parked p WHERE p.consumer = c.consumer AND p.feed_id = c.feed_id)
		FROM eventfeed_checkpoints c JOIN eventfeed_consumers n USING (consumer)
		ORDER BY c.consumer, c.feed, c.feed_id`)
	if err != nil {
		return nil, err
	}
	s.findHolder(all)
	return all, nil
}

func scanStatus(row sqlitedb.Row) (s checkpoint.Status, err error) {
	c, n := &s.Checkpoint, &s.Consumer
	var digest []byte
	err = row.Scan(&n.Name, &c.Feed, &c.FeedID, &c.Epoch, &c.Position, &digest, sqlitedb.Time(&c.Updated),
		&c.URL, &c.SeedEnd, &c.Skipped, &c.LeftOut, &c.Generation, &n.Sink, &n.PublishesTo, &n.Projection, &n.Schema, sqlitedb.Time(&n.AsOf), &n.HeldBy, sqlitedb.Time(&n.HeldSince), &s.Parked)
	if err != nil {
		return s, err
	}
	c.Consumer, c.Digest = n.Name, feed.Digest(digest)
	return s, nil
}

// findHolder sets which consumer is held. The lock is for the whole file, so it belongs to the
// consumer that was claimed last.
func (s *Session) findHolder(all []checkpoint.Status) {
	held, err := sqlitedb.IsLocked(s.path)
	holder := ""
	var since time.Time
	for i := range all {
		if c := &all[i].Consumer; holder == "" || c.HeldSince.After(since) {
			holder, since = c.Name, c.HeldSince
		}
	}
	for i := range all {
		all[i].Held, all[i].HeldErr = held && all[i].Consumer.Name == holder, err
	}
}
