package sqlite

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	migratesqlite "github.com/eventfeed/eventfeed/internal/db/migrate/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Prepare opens the file, or creates it, and creates or upgrades the tables.
func (s *Session) Prepare(ctx context.Context) (err error) {
	s.Close() // an earlier attempt may have opened the file
	if s.db, err = sqlitedb.OpenWriter(ctx, s.path); err != nil {
		return err
	}
	return s.migrate(ctx)
}

func (s *Session) migrate(ctx context.Context) error {
	err := s.migrateCheckpoints(ctx)
	if _, is := s.sink.(*Inbox); err == nil && is {
		err = migrateInbox(ctx, s.db)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

func (s *Session) migrateCheckpoints(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migratesqlite.Migrations{Prefix: "eventfeed_seed_", Files: files}.Up(ctx, s.db)
}

// openExisting opens the file, unless it is open. It returns an error if there is no file.
func (s *Session) openExisting(ctx context.Context) (err error) {
	if s.db != nil {
		return nil
	}
	if err := sqlitedb.CheckPath(s.path); err != nil {
		return err
	}
	if _, err := os.Stat(s.path); err != nil {
		return fmt.Errorf("database %s: %w", s.path, err)
	}
	s.db, err = sqlitedb.OpenWriter(ctx, s.path)
	return err
}

// Load returns the consumer and its checkpoints. The consumer's name is empty if it is not
// stored yet.
func (s *Session) Load(ctx context.Context) (c checkpoint.Consumer, all []checkpoint.Checkpoint, err error) {
	if c, err = s.loadConsumer(ctx, s.consumer); err == nil {
		all, err = s.loadCheckpoints(ctx, s.consumer)
	}
	return c, all, err
}

// Consumers returns the names of all consumers, and upgrades existing tables; none if there is
// no table.
func (s *Session) Consumers(ctx context.Context) (names []string, err error) {
	if err := s.openExisting(ctx); err != nil {
		return nil, err
	}
	var there bool
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'eventfeed_checkpoints'").Scan(&there)
	if err != nil || !there {
		return nil, err
	}
	names, err = sqlitedb.CollectRows(ctx, s.db, sqlitedb.RowTo[string], "SELECT DISTINCT consumer FROM eventfeed_checkpoints ORDER BY consumer")
	if err != nil || len(names) == 0 {
		return nil, err
	}
	return names, s.migrateCheckpoints(ctx)
}

func (s *Session) loadCheckpoints(ctx context.Context, consumer string) ([]checkpoint.Checkpoint, error) {
	return sqlitedb.CollectRows(ctx, s.db, scanCheckpoint, `
		SELECT consumer, feed, feed_id, url, epoch, position, digest, seed_end, skipped, left_out, generation, generation_start, updated
		FROM eventfeed_checkpoints WHERE consumer = ? ORDER BY feed_id`, consumer)
}

func scanCheckpoint(row sqlitedb.Row) (c checkpoint.Checkpoint, err error) {
	var digest []byte
	err = row.Scan(&c.Consumer, &c.Feed, &c.FeedID, &c.URL, &c.Epoch, &c.Position, &digest, &c.SeedEnd, &c.Skipped, &c.LeftOut, &c.Generation, &c.GenerationStart, sqlitedb.Time(&c.Updated))
	if err != nil {
		return c, err
	}
	c.Digest = feed.Digest(digest)
	return c, nil
}
