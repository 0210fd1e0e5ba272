package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Begin stores the consumer and the first checkpoints of feeds, sets the sink up, and prepares
// it, in one transaction.
//
// Setup and Prepare each start with the settings of users' SQL, whatever the other one has set.
// After the first checkpoints the session is replaced, so its settings do not outlast Begin, as
// they would not for the next process.
func (s *Session) Begin(ctx context.Context, consumer checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error {
	err := s.Do(ctx, func(tx pgx.Tx) error {
		if err := s.saveConsumer(ctx, tx, consumer); err != nil {
			return err
		}
		for _, c := range first {
			_, err := tx.Exec(ctx, `
				INSERT INTO eventfeed_seed.checkpoints (consumer, feed, feed_id, url, epoch, position, digest, seed_end, generation, generation_start, holder)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
				c.Consumer, c.Feed, c.FeedID, c.URL, c.Epoch, c.Position, c.Digest[:], c.SeedEnd, c.Generation, c.GenerationStart, s.holder)
			if err != nil {
				return err
			}
		}
		if inbox, is := s.sink.(*Inbox); is {
			if err := inbox.numberFeeds(ctx, tx, consumer.Name); err != nil {
				return err
			}
		}
		if s.sink == nil {
			return nil
		}
		if fresh {
			if err := s.withUserSettings(ctx, tx, s.sink.Setup); err != nil {
				return err
			}
		}
		return s.withUserSettings(ctx, tx, s.sink.Prepare)
	})
	if err != nil || len(first) == 0 || s.dryRun {
		return err
	}
	return s.renew(ctx)
}

// withUserSettings calls do with the settings of users' SQL.
func (s *Session) withUserSettings(ctx context.Context, tx pgx.Tx, do func(context.Context, pgx.Tx) error) error {
	if err := s.applyUserSettings(ctx, tx); err != nil {
		return err
	}
	return do(ctx, tx)
}

func (s *Session) saveConsumer(ctx context.Context, tx pgx.Tx, c checkpoint.Consumer) error {
	if err := s.stillHolds(ctx, tx, c.Name); err != nil {
		return err
	}
	var asOf *time.Time
	if !c.AsOf.IsZero() {
		asOf = &c.AsOf
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO eventfeed_seed.consumers (consumer, sink, projection, projection_hash, setup_hash, schema, time_zone, as_of, held_by, keeps_events, publishes_to)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (consumer) DO UPDATE SET sink = $2, projection = $3, projection_hash = $4, setup_hash = $5, schema = $6, time_zone = $7, as_of = $8, keeps_events = $10, publishes_to = $11`,
		c.Name, c.Sink, c.Projection, c.ProjectionHash, c.SetupHash, c.Schema, c.TimeZone, asOf, checkpoint.Process(), c.KeepsEvents, c.PublishesTo)
	return err
}

// loadConsumer returns a consumer; its name is empty if it is not stored yet.
func loadConsumer(ctx context.Context, tx pgx.Tx, name string) (c checkpoint.Consumer, err error) {
	var asOf *time.Time
	err = tx.QueryRow(ctx, `
		SELECT consumer, sink, publishes_to, keeps_events, projection, projection_hash, setup_hash, schema, time_zone, as_of, held_by, held_since
		FROM eventfeed_seed.consumers WHERE consumer = $1`, name).
		Scan(&c.Name, &c.Sink, &c.PublishesTo, &c.KeepsEvents, &c.Projection, &c.ProjectionHash, &c.SetupHash, &c.Schema, &c.TimeZone, &asOf, &c.HeldBy, &c.HeldSince)
	if errors.Is(err, pgx.ErrNoRows) {
		return checkpoint.Consumer{}, nil
	}
	if asOf != nil {
		c.AsOf = asOf.UTC()
	}
	return c, err
}
