package checkpoint

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Start writes a consumer's first checkpoints for feeds and runs the steps, in one
// transaction. Where the consumer is known already, it gets further feeds.
//
// Each step begins with the settings that users' SQL has, whatever the one before has
// set. Nothing that they set in their session is there after Start, as it is not for
// the next process.
func (p *Postgres) Start(ctx context.Context, consumer Consumer, all []Checkpoint, steps ...func(pgx.Tx) error) error {
	err := p.Do(ctx, func(tx pgx.Tx) error {
		if err := p.saveConsumer(ctx, tx, consumer); err != nil {
			return err
		}
		for _, c := range all {
			_, err := tx.Exec(ctx, `
				INSERT INTO eventfeed_seed.checkpoints (consumer, feed, feed_id, url, epoch, position, digest, seed_end, holder)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
				c.Consumer, c.Feed, c.FeedID, c.URL, c.Epoch, c.Position, c.Digest[:], c.SeedEnd, p.holder)
			if err != nil {
				return err
			}
		}
		for _, step := range steps {
			if err := p.theirs(ctx, tx); err != nil {
				return err
			}
			if err := step(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || p.Rehearse {
		return err
	}
	return p.renew(ctx)
}

// Check runs check in a transaction, and saves the consumer as it is now.
func (p *Postgres) Check(ctx context.Context, consumer Consumer, check func(pgx.Tx) error) error {
	return p.Do(ctx, func(tx pgx.Tx) error {
		if err := p.saveConsumer(ctx, tx, consumer); err != nil {
			return err
		}
		if err := p.theirs(ctx, tx); err != nil {
			return err
		}
		return check(tx)
	})
}

func (p *Postgres) saveConsumer(ctx context.Context, tx pgx.Tx, c Consumer) error {
	if err := p.stillHolds(ctx, tx, c.Name); err != nil {
		return err
	}
	var asOf *time.Time
	if !c.AsOf.IsZero() {
		asOf = &c.AsOf
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO eventfeed_seed.consumers (consumer, sink, projection, projection_hash, setup_hash, schema, time_zone, as_of, held_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (consumer) DO UPDATE SET sink = $2, projection = $3, projection_hash = $4, setup_hash = $5, schema = $6, time_zone = $7, as_of = $8`,
		c.Name, c.Sink, c.Projection, c.ProjectionHash, c.SetupHash, c.Schema, c.TimeZone, asOf, process())
	return err
}

// Consumer returns what is known of a consumer; ok is false where nothing is.
func (p *Postgres) Consumer(ctx context.Context, name string) (c Consumer, ok bool, err error) {
	var asOf *time.Time
	err = p.Do(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `
			SELECT consumer, sink, projection, projection_hash, setup_hash, schema, time_zone, as_of, held_by, held_since
			FROM eventfeed_seed.consumers WHERE consumer = $1`, name).
			Scan(&c.Name, &c.Sink, &c.Projection, &c.ProjectionHash, &c.SetupHash, &c.Schema, &c.TimeZone, &asOf, &c.HeldBy, &c.HeldSince)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return c, false, nil
	}
	if asOf != nil {
		c.AsOf = asOf.UTC()
	}
	return c, err == nil, err
}
