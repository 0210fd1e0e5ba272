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

// Session keeps checkpoints in the tables eventfeed_* of an SQLite file, which it opens
// when it is needed. It is a checkpoint.Backend, and can do all that a backend may. Its
// lock is on the file beside it, PATH.lock.
type Session struct {
	path     string
	sink     Sink // nil where it is external, or nothing is applied
	dryRun   bool // one transaction is made of all, which is rolled back in the end
	db       *sql.DB
	replaced bool // another file is at the path, without tables perhaps

	consumer  string
	lock      *sqlitedb.FileLock // while it holds a consumer
	holder    string
	rehearsal *sql.Tx
	rehearses sync.Mutex // held by who uses rehearsal: a Memory does, too
}

// fileHeldError is an ErrHeld: whichever consumer the other seeder is at work for.
type fileHeldError struct{}

func (fileHeldError) Error() string {
	return "another seeder uses this file, and SQLite allows one at a time"
}

func (fileHeldError) Is(target error) bool { return target == checkpoint.ErrHeld }

// Claim makes this process the holder of consumer until Close, or returns ErrHeld. The
// lock goes for the whole file, whatever the consumer.
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

// Close gives the consumer back, undoes what a dry run has done, and closes the file.
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

// Lost returns a channel that is closed when someone else may hold the consumer,
// between Claim and Close; it is nil otherwise.
func (s *Session) Lost() <-chan struct{} {
	if s.lock == nil {
		return nil
	}
	return s.lock.Lost()
}

// ShareLock calls use with a descriptor that keeps the consumer's lock for whoever
// inherits it, as long as that holds it open, also if this process ends first.
// Close ends the lock at once. It returns ErrLost without a lock.
func (s *Session) ShareLock(use func(fd uintptr) error) error {
	if s.lock == nil || checkpoint.IsClosed(s.Lost()) {
		return checkpoint.ErrLost
	}
	return s.lock.Share(use)
}

// stillHolds returns ErrMoved if someone else has claimed the consumer since.
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

// isNet reports whether an error is of the network: a handler may ask another service.
func isNet(err error) bool {
	_, isOp := errors.AsType[*net.OpError](err)
	_, isName := errors.AsType[*net.DNSError](err)
	return isOp || isName || errors.Is(err, io.ErrUnexpectedEOF)
}

// Diagnose says what an error means. That of a file which is not at its path is transient.
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
