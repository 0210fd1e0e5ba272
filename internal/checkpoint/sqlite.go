package checkpoint

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/migrate"
)

//go:embed sqlite_migrations/*.sql
var sqliteMigrations embed.FS

// SQLite keeps checkpoints in the table eventfeed_checkpoints of an SQLite
// target. Its lock is on the file beside it, PATH.lock. It is for one
// goroutine.
type SQLite struct {
	db     *sql.DB
	lock   *flock.Flock
	holder string
}

// NewSQLite returns the keeper of the database file at path. The transactions
// of db must take the write lock when they begin.
func NewSQLite(db *sql.DB, path string) *SQLite {
	return &SQLite{db: db, lock: flock.New(path + ".lock")}
}

// Migrate makes the table where it is missing.
func (s *SQLite) Migrate(ctx context.Context) error {
	files, err := fs.Sub(sqliteMigrations, "sqlite_migrations")
	if err != nil {
		return err
	}
	return migrate.SQLite{Prefix: "eventfeed_seed_", Files: files}.Up(ctx, s.db)
}

// Claim makes this process the holder of consumer until Release, or returns
// ErrHeld. The lock goes for the whole file, whatever the consumer.
func (s *SQLite) Claim(ctx context.Context, consumer string) error {
	s.Release()
	patient, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	locked, err := s.lock.TryLockContext(patient, 100*time.Millisecond)
	if !locked {
		if err == nil || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = fmt.Errorf("consumer %s: %w", consumer, ErrHeld)
		}
		return err
	}
	s.holder = newHolder()
	_, err = s.db.ExecContext(ctx, "UPDATE eventfeed_checkpoints SET holder = ? WHERE consumer = ?", s.holder, consumer)
	return err
}

// Release gives the consumer back.
func (s *SQLite) Release() { _ = s.lock.Unlock() }

// Load returns the consumer's checkpoints.
func (s *SQLite) Load(ctx context.Context, consumer string) ([]Checkpoint, error) {
	return s.query(ctx, "WHERE consumer = ? ORDER BY feed_id", consumer)
}

// List returns the checkpoints of every consumer; none if there is no table.
func (s *SQLite) List(ctx context.Context) ([]Checkpoint, error) {
	var tables int
	err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'eventfeed_checkpoints'").Scan(&tables)
	if err != nil || tables == 0 {
		return nil, err
	}
	return s.query(ctx, "ORDER BY consumer, feed")
}

func (s *SQLite) query(ctx context.Context, where string, arguments ...any) (all []Checkpoint, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT consumer, feed, feed_id, epoch, position, digest, updated FROM eventfeed_checkpoints `+where, arguments...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c Checkpoint
		var digest []byte
		var updated string
		if err := rows.Scan(&c.Consumer, &c.Feed, &c.FeedID, &c.Epoch, &c.Position, &digest, &updated); err != nil {
			return nil, err
		}
		c.Digest = feed.Digest(digest)
		if c.Updated, err = time.Parse(time.RFC3339Nano, updated); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// Start writes a consumer's first checkpoint for a feed.
func (s *SQLite) Start(ctx context.Context, c Checkpoint) error {
	_, err := s.db.ExecContext(ctx, `
		INSERT INTO eventfeed_checkpoints (consumer, feed, feed_id, epoch, position, digest, holder, updated)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, c.Consumer, c.Feed, c.FeedID, c.Epoch, c.Position, c.Digest[:], s.holder, event.FormatTime(time.Now()))
	return err
}

// Move runs apply and moves the checkpoint, on or back, in one transaction. It
// returns ErrMoved, and nothing is applied, if the checkpoint is not at from or
// has another holder.
func (s *SQLite) Move(ctx context.Context, from, to Checkpoint, apply func(*sql.Tx) error) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE eventfeed_checkpoints SET feed = ?, epoch = ?, position = ?, digest = ?, updated = ?
			WHERE consumer = ? AND feed_id = ? AND position = ? AND digest = ? AND holder = ?`,
			to.Feed, to.Epoch, to.Position, to.Digest[:], event.FormatTime(time.Now()),
			to.Consumer, to.FeedID, from.Position, from.Digest[:], s.holder)
		if err != nil {
			return err
		}
		if moved, err := result.RowsAffected(); err != nil || moved != 1 {
			return errors.Join(err, fmt.Errorf("%s: %w", from, ErrMoved))
		}
		return apply(tx)
	})
}

// Delete runs apply and deletes the checkpoints, in one transaction. It returns
// ErrMoved, and nothing is done, if one of them is not there as given, or has
// another holder.
func (s *SQLite) Delete(ctx context.Context, all []Checkpoint, apply func(*sql.Tx) error) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, c := range all {
			result, err := tx.ExecContext(ctx, `
				DELETE FROM eventfeed_checkpoints
				WHERE consumer = ? AND feed_id = ? AND position = ? AND digest = ? AND holder = ?`,
				c.Consumer, c.FeedID, c.Position, c.Digest[:], s.holder)
			if err != nil {
				return err
			}
			if deleted, err := result.RowsAffected(); err != nil || deleted != 1 {
				return errors.Join(err, fmt.Errorf("%s: %w", c, ErrMoved))
			}
			if err := unmarkSQLite(ctx, tx, c.Consumer, c.FeedID); err != nil {
				return err
			}
		}
		return apply(tx)
	})
}

// write runs do in one transaction.
func (s *SQLite) write(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// MayPass reports whether an error may be gone after a while: another process
// is writing.
func (s *SQLite) MayPass(err error) bool {
	var code *sqlite.Error
	return errors.As(err, &code) && (code.Code()&0xff == sqlitecodes.SQLITE_BUSY || code.Code()&0xff == sqlitecodes.SQLITE_LOCKED)
}
