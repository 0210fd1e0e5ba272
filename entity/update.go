package entity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/db/sqlany"
	"github.com/eventfeed/eventfeed/internal/retry"
	"github.com/eventfeed/eventfeed/outbox"
)

// ErrUnknown reports that the connection broke at the commit, and that it could not be
// found out whether the transaction has committed.
var ErrUnknown = errors.New("it is not known whether the transaction has committed")

// Update loads an entity, lets decide return the events that its state asks for, appends
// them and commits, all in one transaction. The result is the entity after it. If another
// transaction was faster, it does all of it again, as [Retry] does, and also where a
// constraint of the caller's own tables has refused what the other one had written first.
// So decide must have no other effects than statements in tx. If decide returns an
// error, the transaction is rolled back, and the error is returned, wrapped. If it
// returns no events, the transaction commits what decide has written in tx.
//
// The db is a pool or a connection. A snapshot is kept as with [Repository.Load].
func (r *Repository[S]) Update(ctx context.Context, db DB, subject string,
	decide func(ctx context.Context, tx Tx, state S) ([]event.Event, error),
) (Entity[S], error) {
	var after Entity[S]
	var loaded int64
	lost := func(err error) bool { return isLost(err) || isRefused(err) && r.isBehind(ctx, db, subject, loaded) }
	err := repeat(ctx, db, lost, func(ctx context.Context, tx Tx) error {
		e, shown, err := r.loadTwice(ctx, tx.log, subject)
		if err != nil {
			return err
		}
		loaded = e.Version
		events, err := decide(ctx, tx, shown)
		if err != nil {
			return r.failed("update", subject, err)
		}
		after, err = r.Append(ctx, tx, e, events...)
		return err
	})
	if err != nil {
		return Entity[S]{}, err
	}
	r.keep(ctx, db, &after)
	return after, nil
}

// loadTwice returns an entity, and its state once more, for someone who may change it:
// the first one goes on to the snapshot.
func (r *Repository[S]) loadTwice(ctx context.Context, db log, subject string) (e Entity[S], shown S, err error) {
	times := 1
	if lookUpShape(reflect.TypeFor[S]()).shares {
		times = 2
	}
	all, err := r.loadTimes(ctx, db, subject, math.MaxInt64, times)
	if err != nil {
		return e, shown, err
	}
	return all[0], all[times-1].State, nil
}

// attempts bounds how often a transaction is done again.
const attempts = 30

// Retry does fn in a transaction of db, a pool or a connection, and commits it. It does
// both again, up to 30 times with growing pauses, if another transaction was faster:
// after [ErrVersion], after a serialization failure or a deadlock on PostgreSQL
// (SQLSTATE 40001 and 40P01), and when SQLite is busy. So fn loads what it decides on,
// and has no other effects than statements in tx.
//
// If the connection breaks at the commit, Retry finds out by the events that fn has
// appended whether it was done: it is not done twice. The error is the last one of fn
// or of the commit, or [ErrUnknown].
func Retry(ctx context.Context, db DB, fn func(ctx context.Context, tx Tx) error) error {
	return repeat(ctx, db, isLost, fn)
}

func repeat(ctx context.Context, db DB, lost func(error) bool, fn func(ctx context.Context, tx Tx) error) error {
	waits := retry.Begin(2*time.Millisecond, 200*time.Millisecond)
	for attempt := 1; ; attempt++ {
		err := once(ctx, db, fn)
		if err == nil || attempt == attempts || !lost(err) {
			return err
		}
		if retry.Sleep(ctx, waits.Next()) != nil {
			return err
		}
	}
}

func once(ctx context.Context, db DB, fn func(ctx context.Context, tx Tx) error) error {
	tx, err := db.start(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
	if err := fn(ctx, tx.Tx); err != nil {
		return err
	}
	if err = tx.commit(ctx); err == nil || isDefinite(err) {
		return err
	}
	_ = tx.rollback(context.WithoutCancel(ctx)) // its locks must not be waited for
	return findOut(ctx, db, *tx.appended, err)
}

// errNotDone reports a transaction that did not commit though nobody refused it.
var errNotDone = errors.New("the connection broke before the commit")

// findOut says whether a transaction has committed whose commit ended with an error that
// does not say so. It appends the events again, and rolls that back. While the
// transaction is still at work the append cannot have the entity's lock, and after that
// it finds its events or not.
func findOut(ctx context.Context, db DB, appended []call, cause error) error {
	if len(appended) == 0 {
		return fmt.Errorf("%w: %w", ErrUnknown, cause)
	}
	const patience = 10 * time.Second
	for tries := retry.Begin(20*time.Millisecond, time.Second); ; {
		there, err := isAnyThere(ctx, db, appended)
		switch {
		case err == nil && there:
			return nil
		case err == nil:
			return fmt.Errorf("%w: %w", errNotDone, cause)
		case tries.Lasted() > patience || retry.Sleep(ctx, tries.Next()) != nil:
			return fmt.Errorf("%w: %w", ErrUnknown, cause)
		}
	}
}

// isAnyThere asks for each append: some may have been taken back to a savepoint.
func isAnyThere(ctx context.Context, db DB, appended []call) (there bool, err error) {
	for i := range appended {
		if there, err = isThere(ctx, db, appended[i]); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

func isThere(ctx context.Context, db DB, c call) (bool, error) {
	tx, err := db.start(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.rollback(context.WithoutCancel(ctx)) }()
	if err := tx.hurry(ctx); err != nil {
		return false, err
	}
	result, err := tx.append(ctx, c)
	if errors.Is(err, ErrVersion) {
		return false, nil
	}
	return result.New == 0, err
}

// isLost reports a transaction that was not done because of another one, or of none.
func isLost(err error) bool {
	code, _, _ := sqlany.Fields(err)
	return errors.Is(err, ErrVersion) || errors.Is(err, errNotDone) || code == "40001" || code == "40P01" || sqlany.IsBusy(err)
}

// isRefused reports a statement that a constraint of a table refused, as a unique key does
// where another transaction has decided the same before.
func isRefused(err error) bool {
	code, _, _ := sqlany.Fields(err)
	return strings.HasPrefix(code, "23") && !errors.Is(err, outbox.ErrConflict)
}

// isBehind reports whether an entity has moved on from a version.
func (r *Repository[S]) isBehind(ctx context.Context, db DB, subject string, version int64) (moved bool) {
	_ = db.load(ctx, request{feed: r.Feed, subject: subject, after: version, upTo: version + 1}, func(*row) error {
		moved = true
		return nil
	}) // if it fails, the error that there is stays
	return moved
}

// isDefinite reports whether the database itself has refused a commit. When it is shut
// down (class 57) or a connection breaks (class 08) it may have committed before.
func isDefinite(err error) bool {
	code, _, _ := sqlany.Fields(err)
	return errors.Is(err, pgx.ErrTxCommitRollback) || sqlany.IsBusy(err) || code != "" && !strings.HasPrefix(code, "57") && !strings.HasPrefix(code, "08")
}
