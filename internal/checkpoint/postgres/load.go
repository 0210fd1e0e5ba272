package postgres

import (
	"context"
	"embed"
	"io/fs"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	migratepostgres "github.com/eventfeed/eventfeed/internal/db/migrate/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/feed"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Prepare creates or upgrades the tables.
func (s *Session) Prepare(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if _, is := s.sink.(*Inbox); is {
		return migrateInbox(ctx, s.pool)
	}
	return nil
}

func (s *Session) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migratepostgres.Migrations{Schema: "eventfeed_seed", Files: files}.Up(ctx, s.pool)
}

// Load returns the consumer and its checkpoints. The consumer's name is empty if it is not
// stored yet.
func (s *Session) Load(ctx context.Context) (c checkpoint.Consumer, all []checkpoint.Checkpoint, err error) {
	err = s.Do(ctx, func(tx pgx.Tx) error {
		if c, err = loadConsumer(ctx, tx, s.consumer); err != nil {
			return err
		}
		all, err = loadCheckpoints(ctx, tx, s.consumer)
		return err
	})
	return c, all, err
}

// Consumers returns the names of all consumers, and upgrades existing tables; none if there is
// no table.
func (s *Session) Consumers(ctx context.Context) ([]string, error) {
	var there bool
	if err := postgresdb.NewReader(s.pool).QueryRow(ctx, "SELECT to_regclass('eventfeed_seed.checkpoints') IS NOT NULL").Scan(&there); err != nil || !there {
		return nil, err
	}
	rows, err := postgresdb.NewReader(s.pool).Query(ctx, "SELECT DISTINCT consumer FROM eventfeed_seed.checkpoints ORDER BY consumer")
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return names, s.migrate(ctx)
}

func loadCheckpoints(ctx context.Context, tx pgx.Tx, consumer string) ([]checkpoint.Checkpoint, error) {
	rows, err := tx.Query(ctx, `
		SELECT consumer, feed, feed_id, url, epoch, position, digest, seed_end, skipped, left_out, generation, generation_start, updated
		FROM eventfeed_seed.checkpoints WHERE consumer = $1 ORDER BY feed_id`, consumer)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c checkpoint.Checkpoint, err error) {
		var digest []byte
		if err = row.Scan(&c.Consumer, &c.Feed, &c.FeedID, &c.URL, &c.Epoch, &c.Position, &digest, &c.SeedEnd, &c.Skipped, &c.LeftOut, &c.Generation, &c.GenerationStart, &c.Updated); err == nil {
			c.Digest = feed.Digest(digest)
		}
		return c, err
	})
}
