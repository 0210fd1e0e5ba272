package entity

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// keep keeps a snapshot, if enough events were folded since the last one. It is done in a
// transaction of its own, and never fails what the caller does.
func (r *Repository[S]) keep(ctx context.Context, db DB, e *Entity[S]) {
	if r.SnapshotEvery <= 0 || db.begin == nil || e.Version-e.snapshot < int64(r.SnapshotEvery) {
		return
	}
	short, cancel := context.WithTimeout(ctx, 5*snapshotWait)
	defer cancel()
	if err := r.save(short, db, e); err != nil && !errors.Is(err, errBegin) && ctx.Err() == nil {
		r.warn(ctx, e.Subject, err)
	}
}

func (r *Repository[S]) save(ctx context.Context, db DB, e *Entity[S]) error {
	revision, err := r.revision()
	if err != nil {
		return err
	}
	state, err := json.Marshal(&e.State)
	if err != nil {
		return err
	}
	if bytes.Contains(state, []byte(`\ufffd`)) { // encoding/json writes U+FFFD itself otherwise
		return errors.New("a text in the state is not valid UTF-8, so JSON would change it")
	}
	tx, err := db.start(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.rollback(context.WithoutCancel(ctx)) }() // after a commit it does nothing
	if err := tx.hurry(ctx); err != nil {
		return err
	}
	s := &snapshot{feed: r.Feed, subject: e.Subject, name: r.name(), revision: revision, version: e.Version, last: e.last, state: state}
	if !e.unchained {
		s.digest = e.chain.Digest[:]
	}
	if _, err := tx.saveSnapshot(ctx, s); err != nil {
		return err
	}
	return tx.commit(ctx)
}

// warn says at most once a minute that snapshots cannot be kept.
func (r *Repository[S]) warn(ctx context.Context, subject string, err error) {
	now, last := time.Now().Unix(), r.warned.Load()
	if now-last < int64(time.Minute/time.Second) || !r.warned.CompareAndSwap(last, now) {
		return
	}
	cmp.Or(r.Logger, slog.Default()).WarnContext(ctx, "snapshot not kept; loads fold more events until one is",
		"feed", r.Feed, "subject", subject, "snapshot", r.name(), "error", err)
}

// revision is that of the snapshots: Revision and the shape of S. It returns an error if
// S does not survive encoding/json.
func (r *Repository[S]) revision() (string, error) {
	shape, err := shapeOf[S]()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d-%s", r.Revision, shape), nil
}

// ErrSnapshot reports a snapshot that differs from the fold of its events.
var ErrSnapshot = errors.New("the snapshot is not what its events give")

// Check compares every snapshot of this name and revision with its events, and yields the
// subject of each that differs, with [ErrSnapshot] or [ErrImpure], wrapped. An error of
// the database ends it, with an empty subject. It reads all events of these entities.
func (r *Repository[S]) Check(ctx context.Context, db DB) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		revision, err := r.revision()
		if err != nil {
			yield("", err)
			return
		}
		for after := ""; ; {
			page, err := db.snapshots(ctx, r.Feed, r.name(), revision, after)
			if err != nil {
				yield("", fmt.Errorf("check the snapshots of %s: %w", r.name(), err))
			}
			if err != nil || len(page) == 0 {
				return
			}
			for _, s := range page {
				after = s.subject
				if err := r.checkSnapshot(ctx, db, s, revision); err != nil && !yield(s.subject, err) {
					return
				}
			}
		}
	}
}

func (r *Repository[S]) checkSnapshot(ctx context.Context, db DB, s subjectVersion, revision string) error {
	var kept []byte
	ask := request{feed: r.Feed, subject: s.subject, name: r.name(), revision: revision, upTo: s.version}
	err := db.load(ctx, ask, func(next *row) error {
		if next.isSnapshot {
			kept = bytes.Clone(next.state)
		}
		return nil
	})
	if err != nil {
		return r.failed("check", s.subject, err)
	}
	if kept == nil {
		return nil // another one has taken its place, or it is of events that were lost
	}
	entities, err := r.fold(ctx, db.log, request{feed: r.Feed, subject: s.subject, upTo: s.version}, 2)
	if err != nil {
		return r.failed("check", s.subject, err)
	}
	var folded [2][]byte
	for i := range folded {
		if folded[i], err = json.Marshal(&entities[i].State); err != nil {
			return r.failed("check", s.subject, err)
		}
	}
	switch {
	case !bytes.Equal(folded[0], folded[1]):
		err = fmt.Errorf("%w: %.200s and %.200s", ErrImpure, folded[0], folded[1])
	case !r.same(kept, folded[0]):
		err = fmt.Errorf("%w: at version %d it has %.200s, its events give %.200s; delete it, and raise Revision if Apply has changed",
			ErrSnapshot, s.version, kept, folded[0])
	default:
		return nil
	}
	return r.failed("check", s.subject, err)
}

// same reports whether a snapshot decodes to a state.
func (r *Repository[S]) same(kept, folded []byte) bool {
	var state S
	if json.Unmarshal(kept, &state) != nil {
		return true // no load uses it
	}
	text, err := json.Marshal(&state)
	return err == nil && bytes.Equal(text, folded)
}
