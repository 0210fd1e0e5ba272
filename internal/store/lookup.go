package store

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// Bounds of one read of a list.
const (
	// MaxSearched is the maximum number of positions, or of an entity's versions, that one read
	// of a list looks at.
	MaxSearched = 10_000
	// ListedData is the maximum number of bytes of an event's data in a list.
	ListedData = 4096
)

// ListedEvent is an event as a list shows it: without its extensions, and with the beginning of its
// data, up to [ListedData] bytes.
type ListedEvent struct {
	event.Placed
	Size int64 // of all data, in bytes
}

// Filter selects events. Empty fields select all.
type Filter struct{ Type, Subject string }

// Lookup has the reads that find events for pages. Each looks at a bounded number of rows, all of
// them by indexes.
type Lookup interface {
	// RecordedAt returns when the event at a position was recorded. It returns an error if there
	// is no such position.
	RecordedAt(ctx context.Context, key, position int64) (time.Time, error)
	// ClosedPage returns the closed page with a number, or ErrNoPage.
	ClosedPage(ctx context.Context, key, number int64) (Page, error)
	// List calls yield with up to limit of the events from position first to last that match a
	// filter, newest first. It looks at the newest MaxSearched of these positions only.
	List(ctx context.Context, key, first, last int64, match Filter, limit int, yield func(*ListedEvent) error) error
	// ListVersions is List for the events of the entity match.Subject, from version first to
	// last. It leaves out events without a position.
	ListVersions(ctx context.Context, key, first, last int64, match Filter, limit int, yield func(*ListedEvent) error) error
	// EntityVersion returns the version of an entity, pending events included; 0 if there is no
	// such entity.
	EntityVersion(ctx context.Context, key int64, subject string) (int64, error)
	// VersionPosition returns the position of a version of an entity; 0 if it has none.
	VersionPosition(ctx context.Context, key int64, subject string, version int64) (int64, error)
}

// FirstRecorded returns the position of the first event, among those up to position last, that was
// recorded at or after a time; last+1 if there is none. It reads at most 64 positions, because
// recorded times never decrease.
func FirstRecorded(ctx context.Context, log Lookup, key, last int64, at time.Time) (int64, error) {
	return bisect(last, func(position int64) (bool, error) {
		recorded, err := log.RecordedAt(ctx, key, position)
		return !recorded.Before(at), err
	})
}

// PageAt returns the closed page, among those with numbers up to last, that has the event at a
// position. It returns ErrNoPage, wrapped, if there is none. It reads at most 65 pages.
func PageAt(ctx context.Context, log Lookup, key, last, position int64) (Page, error) {
	number, err := bisect(last, func(number int64) (bool, error) {
		page, err := log.ClosedPage(ctx, key, number)
		return page.Last >= position, err
	})
	if err != nil {
		return Page{}, err
	}
	if number > last || position < 1 {
		return Page{}, fmt.Errorf("position %d: %w", position, ErrNoPage)
	}
	return log.ClosedPage(ctx, key, number)
}

// VersionAt returns the version that an entity had at a position: the number of its events up to
// there. last is a version that the entity has reached. It reads at most 64 versions.
func VersionAt(ctx context.Context, log Lookup, key int64, subject string, last, position int64) (int64, error) {
	after, err := bisect(last, func(version int64) (bool, error) {
		at, err := log.VersionPosition(ctx, key, subject, version)
		return at == 0 || at > position, err
	})
	return after - 1, err
}

// bisect returns the first number from 1 to last that is late, if all after it are late too; last+1 if
// none is.
func bisect(last int64, isLate func(int64) (bool, error)) (found int64, err error) {
	found = 1 + int64(sort.Search(int(last), func(i int) bool {
		if err != nil {
			return true
		}
		late, failed := isLate(1 + int64(i))
		err = failed
		return late
	}))
	return found, err
}
