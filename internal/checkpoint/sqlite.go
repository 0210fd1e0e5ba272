package checkpoint

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/event"
	explainsqlite "github.com/eventfeed/eventfeed/internal/db/explain/sqlite"
	migratesqlite "github.com/eventfeed/eventfeed/internal/db/migrate/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
)

//go:embed sqlite_migrations/*.sql
var sqliteMigrations embed.FS

// SQLite keeps checkpoints in the table eventfeed_checkpoints of an SQLite
// target. Its lock is on the file beside it, PATH.lock. It is for one
// goroutine.
type SQLite struct {
	// Rehearse makes one transaction of all, which is rolled back in the end.
	Rehearse bool

	db        *sql.DB
	path      string
	lock      *sqlitedb.FileLock // while it holds a consumer
	holder    string
	rehearsal *sql.Tx
	rehearses sync.Mutex // held by who uses rehearsal: a Memory does, too
}

// NewSQLite returns the keeper of the database file at path. The transactions
// of db must take the write lock when they begin.
func NewSQLite(db *sql.DB, path string) *SQLite {
	return &SQLite{db: db, path: path}
}

// SetRehearsal sets Rehearse. It must not be called between Claim and Release.
func (s *SQLite) SetRehearsal(on bool) { s.Rehearse = on }

// Migrate makes the table where it is missing.
func (s *SQLite) Migrate(ctx context.Context) error {
	files, err := fs.Sub(sqliteMigrations, "sqlite_migrations")
	if err != nil {
		return err
	}
	return migratesqlite.Migrations{Prefix: "eventfeed_seed_", Files: files}.Up(ctx, s.db)
}

// fileHeldError is an ErrHeld: whichever consumer the other seeder is at work for.
type fileHeldError struct{}

func (fileHeldError) Error() string {
	return "another seeder is at work on this file, and SQLite takes one at a time"
}

func (fileHeldError) Is(target error) bool { return target == ErrHeld }

// Claim makes this process the holder of consumer until Release, or returns
// ErrHeld. The lock goes for the whole file, whatever the consumer.
func (s *SQLite) Claim(ctx context.Context, consumer string) (err error) {
	s.Release()
	patient, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	if s.lock, err = sqlitedb.Lock(patient, s.path); err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = fmt.Errorf("consumer %s: %w", consumer, fileHeldError{})
		}
		return err
	}
	s.holder = newHolder()
	_, err = s.db.ExecContext(ctx, "INSERT INTO eventfeed_holders VALUES (?1, ?2) ON CONFLICT (consumer) DO UPDATE SET holder = ?2", consumer, s.holder)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, "UPDATE eventfeed_checkpoints SET holder = ? WHERE consumer = ?", s.holder, consumer)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, "UPDATE eventfeed_consumers SET held_by = ?, held_since = ? WHERE consumer = ?",
		process(), event.FormatTime(time.Now()), consumer)
	return err
}

// Release gives the consumer back.
func (s *SQLite) Release() {
	if s.rehearsal != nil {
		_ = s.rehearsal.Rollback()
		s.rehearsal = nil
	}
	if s.lock != nil {
		s.lock.Release()
		s.lock = nil
	}
}

// Lost returns a channel that is closed when someone else may hold the consumer,
// between Claim and Release; it is nil otherwise.
func (s *SQLite) Lost() <-chan struct{} {
	if s.lock == nil {
		return nil
	}
	return s.lock.Lost()
}

// ShareLock calls use with a descriptor that keeps the consumer's lock for whoever
// inherits it, as long as that holds it open, also if this process ends first.
// Release ends the lock at once. It returns ErrLost without a lock.
func (s *SQLite) ShareLock(use func(fd uintptr) error) error {
	if s.lock == nil || isClosed(s.Lost()) {
		return ErrLost
	}
	return s.lock.Share(use)
}

// Load returns the consumer's checkpoints.
func (s *SQLite) Load(ctx context.Context, consumer string) ([]Checkpoint, error) {
	return s.query(ctx, "WHERE consumer = ? ORDER BY feed_id", consumer)
}

// Consumers returns the names of all consumers, whatever version has made the
// table; none if there is no table.
func (s *SQLite) Consumers(ctx context.Context) (names []string, err error) {
	var there bool
	err = s.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'eventfeed_checkpoints'").Scan(&there)
	if err != nil || !there {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT consumer FROM eventfeed_checkpoints ORDER BY consumer")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func (s *SQLite) query(ctx context.Context, where string, arguments ...any) (all []Checkpoint, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT consumer, feed, feed_id, url, epoch, position, digest, seed_end, skipped, left_out, updated FROM eventfeed_checkpoints `+where, arguments...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c Checkpoint
		var digest []byte
		var updated string
		if err := rows.Scan(&c.Consumer, &c.Feed, &c.FeedID, &c.URL, &c.Epoch, &c.Position, &digest, &c.SeedEnd, &c.Skipped, &c.LeftOut, &updated); err != nil {
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

// stillHolds returns ErrMoved if someone else has claimed the consumer since.
func (s *SQLite) stillHolds(ctx context.Context, tx *sql.Tx, consumer string) error {
	var holder string
	err := tx.QueryRowContext(ctx, "SELECT holder FROM eventfeed_holders WHERE consumer = ?", consumer).Scan(&holder)
	if errors.Is(err, sql.ErrNoRows) || err == nil && holder != s.holder {
		err = fmt.Errorf("consumer %s: %w", consumer, ErrMoved)
	}
	return err
}

// Move runs apply and makes the moves, in one transaction. apply may count up
// what was skipped. It returns ErrMoved, and nothing is applied, if a checkpoint
// is not where its move begins or has another holder.
func (s *SQLite) Move(ctx context.Context, moves []Move, apply func(*sql.Tx) error) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for i := range moves {
			if err := s.move(ctx, tx, &moves[i]); err != nil {
				return err
			}
		}
		if err := apply(tx); err != nil {
			return err
		}
		for i := range moves {
			if to := &moves[i].To; to.Skipped != moves[i].From.Skipped {
				_, err := tx.ExecContext(ctx, "UPDATE eventfeed_checkpoints SET skipped = ? WHERE consumer = ? AND feed_id = ?",
					to.Skipped, to.Consumer, to.FeedID)
				if err != nil {
					return err
				}
			}
			if err := skipSQLite(ctx, tx, &moves[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *SQLite) move(ctx context.Context, tx *sql.Tx, m *Move) error {
	from, to := &m.From, &m.To
	result, err := tx.ExecContext(ctx, `
		UPDATE eventfeed_checkpoints
		SET feed = ?, url = ?, epoch = ?, position = ?, digest = ?, seed_end = ?, left_out = ?, updated = ?
		WHERE consumer = ? AND feed_id = ? AND position = ? AND digest = ? AND holder = ?`,
		to.Feed, to.URL, to.Epoch, to.Position, to.Digest[:], to.SeedEnd, to.LeftOut, event.FormatTime(time.Now()),
		to.Consumer, to.FeedID, from.Position, from.Digest[:], s.holder)
	if err != nil {
		return err
	}
	if moved, err := result.RowsAffected(); err != nil || moved != 1 {
		return errors.Join(err, fmt.Errorf("%s: %w", from, ErrMoved))
	}
	if to.Position < from.Position {
		_, err = tx.ExecContext(ctx, "DELETE FROM eventfeed_parked WHERE consumer = ? AND feed_id = ? AND position > ?",
			to.Consumer, to.FeedID, to.Position)
	}
	if err == nil {
		err = keepSQLite(ctx, tx, m)
	}
	if err == nil {
		err = markSQLite(ctx, tx, to.Consumer, to.FeedID, m.Marks)
	}
	return err
}

// Delete runs apply and deletes all checkpoints of a consumer, in one transaction. It returns
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
			for _, table := range []string{"eventfeed_parked", "eventfeed_digests", "eventfeed_skipped", "eventfeed_consumers", "eventfeed_holders"} {
				if _, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE consumer = ?", c.Consumer); err != nil {
					return err
				}
			}
		}
		return apply(tx)
	})
}

// write runs do in one transaction.
func (s *SQLite) write(ctx context.Context, do func(*sql.Tx) error) error {
	if isClosed(s.Lost()) {
		return ErrLost
	}
	if s.Rehearse {
		return s.rehearse(ctx, do)
	}
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

// rehearse runs do in a savepoint of a transaction that Release rolls back.
func (s *SQLite) rehearse(ctx context.Context, do func(*sql.Tx) error) (err error) {
	s.rehearses.Lock()
	defer s.rehearses.Unlock()
	if s.rehearsal == nil {
		if s.rehearsal, err = s.db.BeginTx(context.WithoutCancel(ctx), nil); err != nil {
			return err
		}
	}
	if _, err := s.rehearsal.ExecContext(ctx, "SAVEPOINT eventfeed_rehearsal"); err != nil {
		return err
	}
	if err := do(s.rehearsal); err != nil {
		_, undoErr := s.rehearsal.ExecContext(ctx, "ROLLBACK TO eventfeed_rehearsal")
		return errors.Join(err, undoErr)
	}
	_, err = s.rehearsal.ExecContext(ctx, "RELEASE eventfeed_rehearsal")
	return err
}

// Suspect has nothing to drop: a file is no server.
func (s *SQLite) Suspect(error) {}

// MayPass reports whether an error may be gone after a while, as that of a file
// which is not at its path is.
func (s *SQLite) MayPass(err error) bool {
	return errors.Is(err, ErrLost) || explainsqlite.Transient(err)
}
