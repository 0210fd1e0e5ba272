package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	explainsqlite "github.com/eventfeed/eventfeed/internal/db/explain/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

// Session keeps checkpoints in the tables eventfeed_* of an SQLite file, which it opens when it
// is needed. It is a checkpoint.Backend with all optional interfaces. Its lock is on the file
// PATH.lock.
type Session struct {
	path     string
	sink     Sink // nil if it is external, or if nothing is applied
	dryRun   bool // everything is one transaction, which Close rolls back
	db       *sql.DB
	replaced bool // another file is at the path, perhaps without tables

	whenReplaced <-chan struct{} // see Replaced

	consumer  string
	lock      *sqlitedb.FileLock // while it holds a consumer
	holder    string
	rehearsal *sql.Tx
	rehearses sync.Mutex // protects rehearsal, which a Memory also uses
}

// fileHeldError matches ErrHeld. The other seeder may hold another consumer.
type fileHeldError struct{}

func (fileHeldError) Error() string {
	return "another seeder uses this file, and SQLite allows one at a time"
}

func (fileHeldError) Is(target error) bool { return target == checkpoint.ErrHeld }

// Claim makes this process the holder of consumer until Close, or returns ErrHeld. The lock
// applies to the whole file, whatever the consumer.
func (s *Session) Claim(ctx context.Context, consumer string) (err error) {
	s.release()
	s.consumer = consumer
	if s.db == nil {
		if err := s.openExisting(ctx); err != nil {
			return err
		}
	}
	if s.replaced {
		if err := s.migrate(ctx); err != nil {
			return err
		}
		s.replaced = false
	}
	if s.whenReplaced, err = sqlitedb.WhenReplaced(ctx, s.db); err != nil { // before anything is read
		return err
	}
	patient, cancel := context.WithTimeout(ctx, checkpoint.ClaimPatience)
	defer cancel()
	if s.lock, err = sqlitedb.Lock(patient, s.path); err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = fmt.Errorf("consumer %s: %w", consumer, fileHeldError{})
		}
		return err
	}
	s.holder = checkpoint.NewHolder()
	_, err = s.db.ExecContext(ctx, "INSERT INTO eventfeed_holders VALUES (?1, ?2) ON CONFLICT (consumer) DO UPDATE SET holder = ?2", consumer, s.holder)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, "UPDATE eventfeed_checkpoints SET holder = ? WHERE consumer = ?", s.holder, consumer)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, "UPDATE eventfeed_consumers SET held_by = ?, held_since = ? WHERE consumer = ?",
		checkpoint.Process(), cloudevents.FormatTime(time.Now()), consumer)
	return err
}

// Close releases the consumer, rolls back a dry run, and closes the file.
func (s *Session) Close() {
	s.release()
	if s.db != nil {
		_ = s.db.Close()
		s.db = nil
	}
}

func (s *Session) release() {
	if s.rehearsal != nil {
		_ = s.rehearsal.Rollback()
		s.rehearsal = nil
	}
	if s.lock != nil {
		s.lock.Release()
		s.lock = nil
	}
}

// Lost returns a channel that is closed when another process may hold the consumer. It is nil
// before Claim and after Close.
func (s *Session) Lost() <-chan struct{} {
	if s.lock == nil {
		return nil
	}
	return s.lock.Lost()
}

// Replaced returns a channel that is closed when another file is at the path. It is nil before
// Claim.
func (s *Session) Replaced() <-chan struct{} { return s.whenReplaced }

// ShareLock calls use with a descriptor. A process that inherits the descriptor holds the
// consumer's lock as long as it keeps it open, even after this process has ended. Close releases
// the lock at once. ShareLock returns ErrLost if there is no lock.
func (s *Session) ShareLock(use func(fd uintptr) error) error {
	if s.lock == nil || checkpoint.IsClosed(s.Lost()) {
		return checkpoint.ErrLost
	}
	return s.lock.Share(use)
}

// stillHolds returns ErrMoved if another process has claimed the consumer since.
func (s *Session) stillHolds(ctx context.Context, tx *sql.Tx, consumer string) error {
	var holder string
	err := tx.QueryRowContext(ctx, "SELECT holder FROM eventfeed_holders WHERE consumer = ?", consumer).Scan(&holder)
	if errors.Is(err, sql.ErrNoRows) || err == nil && holder != s.holder {
		err = fmt.Errorf("consumer %s: %w", consumer, checkpoint.ErrMoved)
	}
	return err
}

// write runs do in one transaction.
func (s *Session) write(ctx context.Context, do func(*sql.Tx) error) error {
	if s.lock == nil || checkpoint.IsClosed(s.Lost()) {
		return checkpoint.ErrLost
	}
	if s.dryRun {
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

// rehearse runs do in a savepoint of a transaction that Close rolls back.
func (s *Session) rehearse(ctx context.Context, do func(*sql.Tx) error) (err error) {
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

// isNet reports whether an error comes from the network. A handler may call another service.
func isNet(err error) bool {
	_, isOp := errors.AsType[*net.OpError](err)
	_, isName := errors.AsType[*net.DNSError](err)
	return isOp || isName || errors.Is(err, io.ErrUnexpectedEOF)
}

// Diagnose classifies an error. It is transient if the file is missing from its path.
func (s *Session) Diagnose(err error) checkpoint.Trouble {
	s.replaced = s.replaced || errors.Is(err, sqlitedb.ErrReplaced)
	switch {
	case errors.Is(err, checkpoint.ErrLost) || explainsqlite.IsAway(err) || isNet(err):
		return checkpoint.Away
	case explainsqlite.Transient(err):
		return checkpoint.Refused
	default:
		return checkpoint.Permanent
	}
}
