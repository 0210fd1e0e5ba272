//go:build unix

package entities_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// decision is what one transaction appends: events to one entity, or to several in the
// order of their names. It is made once, and appended as often as it takes.
type decision struct {
	subjects []string
	each     int      // events for each subject
	ids      []string // of all events
	expected []int64  // version of each subject before; nil: any
}

// Outcomes of a transaction that a service tells apart. All other errors leave it
// unknown whether it has committed.
var (
	errVersion = errors.New("version conflict")
	errRepeat  = errors.New("the database asks to repeat the transaction")
)

// way is what a transaction does besides.
type way struct {
	repeatable bool // at the isolation level REPEATABLE READ
	savepoint  bool // appends something that comes to nothing before
	end        string
	meanwhile  func() // is called before the end
}

// The ends of a transaction.
const (
	commits         = "commits"
	rollsBack       = "rolls back"
	commitsPrepared = "commits prepared"
	dropsPrepared   = "rolls back prepared"
)

// session is a connection of a writer.
type session interface {
	// decide reads what a service would decide on: how many events its own table says
	// that these entities have. That and transact are one transaction.
	transact(ctx context.Context, d *decision, w way, expecting bool) error
	close()
}

// writer does transactions one after the other.
type writer struct {
	job
	name    string
	random  *rand.Rand
	stopped <-chan struct{}
	made    int // ids
	db      session
}

func (w *writer) run(ctx context.Context) error {
	defer func() {
		if w.db != nil {
			w.db.close()
		}
	}()
	for n := 0; n < w.Transactions || w.Transactions == 0; {
		if w.Transactions == 0 {
			select {
			case <-w.stopped:
				return nil
			default:
			}
		}
		done, err := w.one(ctx)
		if err != nil {
			return fmt.Errorf("writer %s: %w", w.name, err)
		}
		if done {
			n++
		}
	}
	return nil
}

func (w *writer) open(ctx context.Context) (session, error) {
	if strings.HasPrefix(w.Database, "sqlite:") {
		return openSQLite(ctx, w.job)
	}
	return openPostgres(ctx, w.job, w.name)
}

func (w *writer) draw() *decision {
	d := &decision{each: 1 + w.random.IntN(2)}
	for range 1 + w.random.IntN(2) {
		d.subjects = append(d.subjects, fmt.Sprintf("e%d", w.random.IntN(w.Entities)))
	}
	slices.Sort(d.subjects)
	d.subjects = slices.Compact(d.subjects)
	w.made++
	for n := range len(d.subjects) * d.each {
		d.ids = append(d.ids, fmt.Sprintf("%s-%d-%d", w.name, w.made, n))
	}
	return d
}

func (w *writer) way() way {
	ends := []string{commits, commits, commits, commits, commits, commits, rollsBack, rollsBack}
	if w.Prepares {
		ends = append(ends, commitsPrepared, commitsPrepared, dropsPrepared)
	}
	return way{repeatable: w.random.IntN(2) == 0, savepoint: w.random.IntN(8) == 0, end: ends[w.random.IntN(len(ends))]}
}

// one does one transaction, and what comes of it. It reports whether it is done with, be
// it by a rollback.
func (w *writer) one(ctx context.Context) (bool, error) {
	d, way, expecting := w.draw(), w.way(), w.random.IntN(10) < w.Expecting
	var twin chan error
	if w.random.IntN(6) == 0 { // a second try, while the first is still open
		way.meanwhile = func() {
			twin = make(chan error, 1)
			same := *d
			go func() { twin <- w.twin(ctx, &same) }()
			time.Sleep(time.Duration(w.random.IntN(3)) * time.Millisecond) // whether it gets there before the end is left to chance
		}
	}
	err := w.transact(ctx, d, way, expecting)
	var twinErr error
	if twin != nil {
		twinErr = <-twin
	}
	switch {
	case errors.Is(err, errVersion), errors.Is(err, errRepeat):
		return false, nil // decides again, with other ids
	case err == nil && (way.end == rollsBack || way.end == dropsPrepared):
		if twin != nil && twinErr == nil {
			acknowledge(d)
		}
		return true, nil
	case err == nil:
		if errors.Is(twinErr, errVersion) {
			return false, fmt.Errorf("appended %v, and again while it was open: %w", d.ids, twinErr)
		}
		if w.random.IntN(5) == 0 {
			return true, w.again(ctx, d)
		}
		acknowledge(d)
		return true, nil
	case twin != nil && twinErr == nil:
		acknowledge(d)
		return true, nil
	default:
		if d.expected == nil && expecting {
			return false, nil // it had not decided yet
		}
		return true, w.unknown(ctx, d)
	}
}

// transact does a transaction on the writer's connection, which it opens if there is none.
func (w *writer) transact(ctx context.Context, d *decision, way way, expecting bool) (err error) {
	if w.db == nil {
		if err := w.reopen(ctx); err != nil {
			time.Sleep(10 * time.Millisecond)
			return err
		}
	}
	err = w.db.transact(ctx, d, way, expecting)
	if err != nil && !errors.Is(err, errVersion) && !errors.Is(err, errRepeat) {
		w.db.close()
		w.db = nil
	}
	return err
}

// reopen opens the writer's connection, and ends what the last one left prepared.
func (w *writer) reopen(ctx context.Context) error {
	if w.Prepares {
		if err := endPrepared(ctx, w.Database, w.name+"/%"); err != nil {
			return err
		}
	}
	db, err := w.open(ctx)
	if err == nil {
		w.db = db
	}
	return err
}

// twin appends the same on another connection. The error is nil if it is appended now.
func (w *writer) twin(ctx context.Context, d *decision) error {
	db, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer db.close()
	return db.transact(ctx, d, way{end: commits}, false)
}

// again appends what is appended already.
func (w *writer) again(ctx context.Context, d *decision) error {
	for {
		switch err := w.transact(ctx, d, way{repeatable: w.random.IntN(2) == 0, end: commits}, false); {
		case errors.Is(err, errVersion):
			return fmt.Errorf("appended %v, and again: %w", d.ids, err)
		case err == nil:
			acknowledge(d)
			return nil
		}
	}
}

// unknown appends a decision again whose outcome is not known, until it is.
func (w *writer) unknown(ctx context.Context, d *decision) error {
	for {
		switch err := w.transact(ctx, d, way{end: commits}, false); {
		case errors.Is(err, errVersion):
			return nil // it had come to nothing
		case err == nil:
			acknowledge(d)
			return nil
		}
	}
}
