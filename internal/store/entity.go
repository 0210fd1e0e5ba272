package store

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// EntitySnapshot has the reads of one entity at one moment. Each costs at most one search in an
// index for each version that it returns.
type EntitySnapshot interface {
	// EntityPlace returns the place of a version of an entity. Its position is 0 if the event
	// has none yet, and if there is no such version.
	EntityPlace(ctx context.Context, key int64, subject string, version int64) (EntityPlace, error)
	// EntityOutline returns the versions first to last of an entity that have positions, in
	// order, without what their events hold.
	EntityOutline(ctx context.Context, key int64, subject string, first, last int64) ([]EntityOutline, error)
	// EntityRows calls yield with the versions first to last of an entity that have positions,
	// in order. If cut is not 0 it reads of each event at most cut bytes of data, and of the
	// extensions only who caused it.
	EntityRows(ctx context.Context, key int64, subject string, first, last, cut int64, yield func(*EntityRow) error) error
	// EntitySnapshots returns the saved states of an entity that a load would return, by name
	// and revision.
	EntitySnapshots(ctx context.Context, key int64, subject string) ([]Snapshotted, error)
}

// EntityPlace is where a version of an entity is in its feed.
type EntityPlace struct {
	Version  int64
	Position int64
	Digest   feed.Digest // the feed's at Position
	Recorded time.Time
}

// EntityOutline is a version of an entity without what its event holds.
type EntityOutline struct {
	Version  int64
	Position int64
	Time     time.Time
	Bytes    int64 // of its data, and of the names and the values of its extensions
}

// EntityRow is an event of an entity.
type EntityRow struct {
	event.Placed
	Version  int64
	DataSize int64 // bytes of its data, which may be cut
}

// ErrVersionChanged reports that an entity is not at the version, or not of the history, that an
// append requires. It is wrapped by a [ChangedError].
var ErrVersionChanged = errors.New("the entity has changed")

// ChangedError is an [ErrVersionChanged] with the version that the entity has.
type ChangedError struct{ Version int64 }

func (e *ChangedError) Error() string { return ErrVersionChanged.Error() }

// Unwrap returns ErrVersionChanged.
func (e *ChangedError) Unwrap() error { return ErrVersionChanged }

// EntityCondition is what an append requires of an entity if it inserts an event. The zero value
// requires nothing.
type EntityCondition struct {
	Exists   bool     // it has events
	Expected bool     // it is at Version
	Version  int64    // 0: it has no events
	Digests  []string // beginnings of the feed's digest at Version, of which one must be right; none means any
}

// Check returns a [ChangedError] if an append has inserted events, and the entity was not as the
// condition requires. version is that of the entity after the append; place is that of
// [EntityCondition.Version], read if there are Digests.
func (c *EntityCondition) Check(added int, version int64, place EntityPlace) error {
	before := version - int64(added)
	isRight := len(c.Digests) == 0 || place.Position > 0 && slices.ContainsFunc(c.Digests, func(digest string) bool {
		return strings.HasPrefix(place.Digest.String(), digest)
	})
	if added > 0 && (c.Exists && before == 0 || !isRight) {
		return &ChangedError{Version: before}
	}
	return nil
}

// EntityEnd is the end of an entity as documents may show it.
type EntityEnd struct {
	EntityPlace       // of its last version that is published; zero if there is none
	Committed   int64 // number of committed events
}

// ReadEntityEnd returns an entity's end. While many of its events are not published it searches by
// bisection: versions rise with positions.
func ReadEntityEnd(ctx context.Context, log Snapshot, f *Feed, subject string) (end EntityEnd, err error) {
	end.Committed, err = log.EntityVersion(ctx, f.Key, subject)
	if err != nil || end.Committed == 0 {
		return end, err
	}
	isPublished := func(version int64) bool {
		if err != nil {
			return false
		}
		var place EntityPlace
		place, err = log.EntityPlace(ctx, f.Key, subject, version)
		if err != nil || place.Position == 0 || place.Position > f.Published {
			return false
		}
		if place.Version > end.Version {
			end.EntityPlace = place
		}
		return true
	}
	if !isPublished(end.Committed) {
		sort.Search(int(end.Committed-1), func(i int) bool { return !isPublished(int64(i) + 1) })
	}
	return end, err
}

// periodWindow is the number of versions before and after a place in which ReadEntityPeriod looks for
// events of the period.
const periodWindow = 500

// EntityPeriod has the versions of an entity whose events' times are in a period.
type EntityPeriod struct {
	Versions []int64 // in order
	IsLeast  bool    // there may be more
	IsAll    bool    // all versions were looked at, so what is not in Versions is not in the period
	Before   int64   // the last version before the end of the period; 0 if there is none
}

// ReadEntityPeriod returns the versions up to last of an entity whose events' times are before end and
// not before start. All up to last must be published. Times of events need not rise with versions.
// ReadEntityPeriod finds a place by bisection, as if they did, and another one by recorded times, which
// do rise, and looks through the versions near both.
func ReadEntityPeriod(ctx context.Context, log Snapshot, f *Feed, subject string, last int64, start, end time.Time) (p EntityPeriod, err error) {
	happened, err := bisect(last, func(version int64) (bool, error) {
		at, err := log.EntityOutline(ctx, f.Key, subject, version, version)
		return len(at) == 0 || !at[0].Time.Before(end), err
	})
	if err != nil {
		return p, err
	}
	recorded, err := bisect(last, func(version int64) (bool, error) {
		place, err := log.EntityPlace(ctx, f.Key, subject, version)
		return !place.Recorded.Before(end), err
	})
	if err != nil {
		return p, err
	}
	p.Before = happened - 1
	looked := map[int64]bool{}
	for _, place := range []int64{p.Before, recorded - 1} {
		first, final := max(1, place-periodWindow), min(last, place+periodWindow)
		if last <= 2*periodWindow {
			first, final = 1, last
		}
		near, err := log.EntityOutline(ctx, f.Key, subject, first, final)
		if err != nil {
			return p, err
		}
		for _, e := range near {
			if !looked[e.Version] && !e.Time.Before(start) && e.Time.Before(end) {
				p.Versions = append(p.Versions, e.Version)
				p.IsLeast = p.IsLeast || e.Version == first && first > 1 || e.Version == final && final < last
			}
			looked[e.Version] = true
		}
	}
	slices.Sort(p.Versions)
	p.IsAll = int64(len(looked)) == last
	return p, nil
}
