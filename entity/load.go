package entity

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Load returns an entity as it is now. Of one that has no events it returns version 0
// and the zero S. With SnapshotEvery, and a pool or connection as db, it keeps a snapshot
// if it had to fold that many events; if that fails, the logger says so.
//
// The error is [outbox.ErrNoFeed], [outbox.ErrNoEntities], that of Apply or Upcast, one
// that names a field of S that a snapshot would lose, or the database's own.
func (r *Repository[S]) Load(ctx context.Context, db DB, subject string) (Entity[S], error) {
	e, err := r.load(ctx, db.log, subject, math.MaxInt64)
	if err != nil {
		return Entity[S]{}, err
	}
	r.keep(ctx, db, &e)
	return e, nil
}

// LoadVersion returns an entity as it was at a version. It returns an error if the
// entity is not there yet, and those of [Repository.Load].
func (r *Repository[S]) LoadVersion(ctx context.Context, db DB, subject string, version int64) (Entity[S], error) {
	e, err := r.load(ctx, db.log, subject, version)
	if err == nil && e.Version < version {
		err = r.failed("load", subject, fmt.Errorf("it is at version %d, not yet at version %d", e.Version, version))
	}
	if err != nil {
		return Entity[S]{}, err
	}
	return e, nil
}

// LoadAsOf returns an entity as its events tell of it up to a time: those whose Time is
// not after it, in the order of their versions. Its Version counts these events. It
// cannot be appended to. It reads all events of the entity.
func (r *Repository[S]) LoadAsOf(ctx context.Context, db DB, subject string, at time.Time) (Entity[S], error) {
	e := Entity[S]{Subject: subject, past: true}
	at = at.UTC().Truncate(time.Microsecond) // as events have it, whatever a driver rounds
	err := db.load(ctx, request{feed: r.Feed, subject: subject, upTo: math.MaxInt64, asOf: &at}, func(next *row) error {
		e.Version++
		return r.apply(&e.State, next)
	})
	if err != nil {
		return Entity[S]{}, r.failed("load", subject, err)
	}
	return e, nil
}

// errBroken reports a snapshot that cannot be decoded.
var errBroken = errors.New("the snapshot cannot be decoded")

func (r *Repository[S]) load(ctx context.Context, db log, subject string, upTo int64) (Entity[S], error) {
	all, err := r.loadTimes(ctx, db, subject, upTo, 1)
	if err != nil {
		return Entity[S]{}, err
	}
	return all[0], nil
}

// loadTimes returns an entity a number of times, with states that share nothing.
func (r *Repository[S]) loadTimes(ctx context.Context, db log, subject string, upTo int64, times int) ([]Entity[S], error) {
	ask := request{feed: r.Feed, subject: subject, upTo: upTo}
	if r.SnapshotEvery > 0 {
		revision, err := r.revision()
		if err != nil {
			return nil, r.failed("load", subject, err)
		}
		ask.name, ask.revision = r.name(), revision
	}
	all, err := r.fold(ctx, db, ask, times)
	if err != nil {
		return nil, r.failed("load", subject, err)
	}
	return all, nil
}

// fold folds the rows of one load, a number of times.
func (r *Repository[S]) fold(ctx context.Context, db log, ask request, times int) ([]Entity[S], error) {
	var all []Entity[S]
	load := func() error {
		all = make([]Entity[S], times)
		for i := range all {
			all[i].Subject = ask.subject
		}
		return db.load(ctx, ask, func(next *row) error {
			for i := range all {
				each := *next
				if i > 0 {
					each.event.Data, each.event.Extensions = bytes.Clone(next.event.Data), maps.Clone(next.event.Extensions)
				}
				if err := r.add(&all[i], &each); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := load()
	if errors.Is(err, errBroken) { // as if it were of another revision
		ask.name, ask.revision = "", ""
		err = load()
	}
	return all, err
}

// add moves an entity on by a snapshot or an event.
func (r *Repository[S]) add(e *Entity[S], next *row) error {
	e.last = place{next.event.Source, next.event.ID}
	if next.isSnapshot {
		if err := json.Unmarshal(next.state, &e.State); err != nil {
			return errBroken
		}
		e.Version, e.snapshot = next.version, next.version
		e.chain = feed.Chain{Position: next.version}
		e.unchained = len(next.digest) != len(e.chain.Digest)
		copy(e.chain.Digest[:], next.digest)
		return nil
	}
	if next.version != e.Version+1 {
		return fmt.Errorf("version %d follows version %d; feedserver verify says what is wrong with the log", next.version, e.Version)
	}
	e.Version = next.version
	hash, _ := feed.EventHash(&next.event, nil)
	e.chain.Next(hash)
	return r.apply(&e.State, next)
}

// apply applies an event of the log to a state.
func (r *Repository[S]) apply(state *S, next *row) error {
	after, err := r.upcastAndApply(*state, next.event)
	if err != nil {
		return fmt.Errorf("version %d, event %q of type %s: %w", next.version, next.event.ID, next.event.Type, err)
	}
	*state = after
	return nil
}

func (r *Repository[S]) failed(what, subject string, err error) error {
	return fmt.Errorf("%s %s %q: %w", what, r.name(), subject, err)
}

// name is that of the snapshots.
func (r *Repository[S]) name() string {
	of := reflect.TypeFor[S]()
	return cmp.Or(r.Name, of.Name(), of.String())
}
