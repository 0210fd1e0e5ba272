package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/db/explain"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/retry"
)

// Errors that callers tell apart.
var (
	// ErrHeld reports that a feed is held, so that its events have no positions.
	ErrHeld = errors.New("the feed is held")
	// ErrSnapshot reports a snapshot that is not of the entity's events. It is a cache, so
	// deleting it mends that.
	ErrSnapshot = errors.New("a snapshot is not of the entity's events")
)

// NumberingTx is what giving versions to a feed's history needs. Versions go by position.
type NumberingTx interface {
	// StartNumbering begins with a feed's history, or goes on where another
	// numbering of it ended. It is a no-op on a feed that has entities.
	StartNumbering(ctx context.Context, key int64) error
	// NumberPlaced gives versions to the events at the next positions, up to limit of
	// them. It returns the last position whose event has its version, and the
	// feed's last one.
	NumberPlaced(ctx context.Context, key int64, limit int) (numbered, last int64, err error)
	// StopAppends waits for the transactions that have appended, and lets no other
	// one append until the end of this one, to any feed. It counts the feed's pending
	// events, up to most.
	StopAppends(ctx context.Context, key int64, most int) (pending int, err error)
	// NumberPending gives versions to all pending events, and from then on every append
	// does.
	NumberPending(ctx context.Context, key int64) error
}

// EntityReader reads what a log knows of entities.
type EntityReader interface {
	// EntityFault returns the first thing that is wrong with the versions of a feed's
	// events, or "".
	EntityFault(ctx context.Context, key int64) (string, error)
	// Snapshots calls yield with each snapshot that has a digest and that a load would
	// return, in the order of subjects and versions.
	Snapshots(ctx context.Context, key int64, yield func(Snapshotted) error) error
	// EntityEvents calls yield with the first events of an entity, in order.
	EntityEvents(ctx context.Context, key int64, subject string, upTo int64, yield func(*event.Event) error) error
	// Appending describes the transactions that StopAppends waits for.
	Appending(ctx context.Context) ([]string, error)
}

// Snapshotted is what the log can check of a snapshot.
type Snapshotted struct {
	Subject, Name, Revision string
	Version                 int64
	Digest                  feed.Digest // of the entity's events up to that version
}

// Bounds of one transaction of a numbering.
const (
	numberLimit  = 2000                   // events
	switchLimit  = 5000                   // events, while no feed of the database can be appended to
	switchWait   = 500 * time.Millisecond // shorter than PostgreSQL's deadlock_timeout: it is this transaction that gives way
	switchPause  = 2 * time.Second        // between two tries, for the appends that had to wait
	numberPause  = 5 * time.Millisecond   // for writers on SQLite, which has one lock for all
	numberingFor = time.Minute            // one batch
)

// GiveEntities gives versions to a feed's history, while writers go on, and from then
// on to each event that is appended. It calls progress after each step, with what it
// waits for, if it does. If it ends early, the next call goes on. It is a no-op on a
// feed that has entities. The error is ErrHeld, wrapped, for a held feed
// without entities.
func (l *Log) GiveEntities(ctx context.Context, name string, progress func(numbered, last int64, waitsFor []string)) error {
	f, err := l.Feed(ctx, name)
	if err != nil {
		return fmt.Errorf("give entities: %w", err)
	}
	if f.Held && !f.Entities {
		err = ErrHeld
	}
	if err == nil && !f.Entities {
		err = l.Write(ctx, commandWait, func(tx Tx) error { return tx.StartNumbering(ctx, f.Key) })
	}
	for err == nil && !f.Entities {
		if err = l.numberPlaced(ctx, &f, progress); err != nil {
			break
		}
		if err = l.placePending(ctx, &f); err != nil {
			break
		}
		f.Entities, err = l.switchToEntities(ctx, &f, progress)
	}
	if err != nil {
		return fmt.Errorf("give entities to feed %s: %w", name, err)
	}
	return nil
}

// numberPlaced numbers until few events are left.
func (l *Log) numberPlaced(ctx context.Context, f *Feed, progress func(numbered, last int64, waitsFor []string)) error {
	for {
		var numbered, last int64
		err := l.Write(ctx, numberingFor, func(tx Tx) (err error) {
			numbered, last, err = tx.NumberPlaced(ctx, f.Key, numberLimit)
			return err
		})
		if err != nil {
			return err
		}
		progress(numbered, last, nil)
		if last-numbered < numberLimit {
			return nil
		}
		if err := retry.Sleep(ctx, numberPause); err != nil {
			return err
		}
	}
}

// placePending gives positions until few events are pending, whether or not a server
// runs.
func (l *Log) placePending(ctx context.Context, f *Feed) error {
	for {
		pending, err := l.Pending(ctx, f.Key)
		if err != nil || pending < switchLimit/2 {
			return err
		}
		if _, err := l.Sequence(ctx, f.Name, numberLimit); err != nil {
			if !explain.IsBusy(err) {
				return err
			}
			if err := retry.Sleep(ctx, sequenceWait); err != nil {
				return err
			}
		}
	}
}

// errMany reports that too many events are left for the last transaction.
var errMany = errors.New("too many events are left")

// switchToEntities numbers the rest in the one transaction that appends wait for, and
// reports whether it did. The feed's row is locked first, so the sequencer is at rest:
// it would give positions to pending events in another order than they are numbered in.
func (l *Log) switchToEntities(ctx context.Context, f *Feed, progress func(numbered, last int64, waitsFor []string)) (bool, error) {
	var numbered, last int64
	err := l.Write(ctx, switchWait, func(tx Tx) error {
		if _, _, err := tx.Lock(ctx, f.Name); err != nil {
			return err
		}
		pending, err := tx.StopAppends(ctx, f.Key, switchLimit+1)
		if err != nil {
			return err
		}
		if pending > switchLimit {
			return errMany // of a transaction that was open a moment ago
		}
		if numbered, last, err = tx.NumberPlaced(ctx, f.Key, switchLimit); err != nil {
			return err
		}
		if numbered < last {
			return errMany
		}
		return tx.NumberPending(ctx, f.Key)
	})
	switch {
	case err == nil:
		progress(numbered, last, nil)
		return true, nil
	case errors.Is(err, errMany):
		return false, nil
	case !explain.IsBusy(err):
		return false, err
	}
	waitsFor, err := l.Appending(ctx)
	if err != nil {
		return false, err
	}
	progress(numbered, last, waitsFor)
	return false, retry.Sleep(ctx, switchPause)
}

// verifyEntities checks the versions of a feed's events, and the digests that snapshots
// have.
func (l *Log) verifyEntities(ctx context.Context, key int64) error {
	fault, err := l.EntityFault(ctx, key)
	if err == nil && fault != "" {
		err = fmt.Errorf("%w: %s", ErrDoesNotAddUp, fault)
	}
	if err != nil {
		return err
	}
	var subject string
	var ofSubject []Snapshotted
	err = l.Snapshots(ctx, key, func(s Snapshotted) error {
		if s.Subject != subject {
			if err := l.verifySnapshots(ctx, key, ofSubject); err != nil {
				return err
			}
			subject, ofSubject = s.Subject, nil
		}
		ofSubject = append(ofSubject, s)
		return nil
	})
	if err != nil {
		return err
	}
	return l.verifySnapshots(ctx, key, ofSubject)
}

// verifySnapshots compares the digests of one entity's snapshots, in the order of their
// versions, with those of its events.
func (l *Log) verifySnapshots(ctx context.Context, key int64, snapshots []Snapshotted) error {
	if len(snapshots) == 0 {
		return nil
	}
	var chain feed.Chain
	var buffer []byte
	left := snapshots
	err := l.EntityEvents(ctx, key, snapshots[0].Subject, snapshots[len(snapshots)-1].Version, func(e *event.Event) error {
		var hash feed.Digest
		hash, buffer = feed.EventHash(e, buffer)
		chain.Next(hash)
		for ; len(left) > 0 && left[0].Version == chain.Position; left = left[1:] {
			if s := left[0]; s.Digest != chain.Digest {
				return fmt.Errorf("%w: snapshot %q revision %q of %q at version %d: it was taken of events with digest %s, the log has %s",
					ErrSnapshot, s.Name, s.Revision, s.Subject, s.Version, s.Digest, chain.Digest)
			}
		}
		return nil
	})
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%w: snapshot %q of %q is of version %d, which is not there", ErrSnapshot, left[0].Name, left[0].Subject, left[0].Version)
	}
	return err
}
