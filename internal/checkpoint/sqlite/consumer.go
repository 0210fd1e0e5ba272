package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

// Begin stores the consumer and the first checkpoints of feeds, sets the sink up, and prepares
// it, in one transaction.
func (s *Session) Begin(ctx context.Context, consumer checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if err := s.saveConsumer(ctx, tx, consumer); err != nil {
			return err
		}
		for _, c := range first {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO eventfeed_checkpoints (consumer, feed, feed_id, url, epoch, position, digest, seed_end, generation, generation_start, holder, updated)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				c.Consumer, c.Feed, c.FeedID, c.URL, c.Epoch, c.Position, c.Digest[:], c.SeedEnd, c.Generation, c.GenerationStart, s.holder, cloudevents.FormatTime(time.Now()))
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
			if err := s.sink.Setup(ctx, tx); err != nil {
				return err
			}
		}
		return s.sink.Prepare(ctx, tx)
	})
}

func (s *Session) saveConsumer(ctx context.Context, tx *sql.Tx, c checkpoint.Consumer) error {
	if err := s.stillHolds(ctx, tx, c.Name); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO eventfeed_consumers (consumer, sink, projection, projection_hash, schema, as_of, held_by, held_since, time_zone, setup_hash, keeps_events, publishes_to)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
		ON CONFLICT (consumer) DO UPDATE SET sink = ?2, projection = ?3, projection_hash = ?4, schema = ?5, as_of = ?6, time_zone = ?9, setup_hash = ?10, keeps_events = ?11, publishes_to = ?12`,
		c.Name, c.Sink, c.Projection, c.ProjectionHash, c.Schema, sqlitedb.NullTime(c.AsOf), checkpoint.Process(), cloudevents.FormatTime(time.Now()), c.TimeZone, c.SetupHash, c.KeepsEvents, c.PublishesTo)
	return err
}

// loadConsumer returns a consumer; its name is empty if it is not stored yet.
func (s *Session) loadConsumer(ctx context.Context, name string) (c checkpoint.Consumer, err error) {
	err = s.db.QueryRowContext(ctx, `
		SELECT consumer, sink, publishes_to, keeps_events, projection, projection_hash, setup_hash, schema, time_zone, as_of, held_by, held_since
		FROM eventfeed_consumers WHERE consumer = ?`, name).
		Scan(&c.Name, &c.Sink, &c.PublishesTo, &c.KeepsEvents, &c.Projection, &c.ProjectionHash, &c.SetupHash, &c.Schema, &c.TimeZone, sqlitedb.Time(&c.AsOf), &c.HeldBy, sqlitedb.Time(&c.HeldSince))
	if errors.Is(err, sql.ErrNoRows) {
		return checkpoint.Consumer{}, nil
	}
	return c, err
}
