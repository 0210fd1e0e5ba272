// Package feedstate keeps the present state of every feed in memory and wakes readers that
// wait for a feed to change. A request for an unchanged feed needs no database, and many
// waiting readers cost as little as one.
package feedstate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventfeed/eventfeed/internal/store"
)

// Log is where the feeds are.
type Log interface {
	Feed(ctx context.Context, name string) (store.Feed, error)
	Feeds(ctx context.Context) ([]store.Feed, error)
	// Versions returns, by the feeds' names, what changes with each change of
	// a feed.
	Versions(ctx context.Context) (map[string]string, error)
	// Watch calls changed for each feed that someone has changed, with an
	// empty name where it may be any, until ctx is done or it cannot tell.
	Watch(ctx context.Context, changed func(name string)) error
	// Continues reports whether a feed's history as it was read now begins with
	// all of the history that was read before.
	Continues(ctx context.Context, before, now *store.Feed) (bool, error)
}

// many feeds that have changed are read in one query.
const many = 20

// State is a feed as it stands until it changes. It is never written to.
type State struct {
	store.Feed
	// History numbers the histories that the server has read under any name: of
	// two states with the same number the later one continues the earlier one.
	History int64
	changed chan struct{}
}

// Changed is closed once the feed's documents are others than with this state.
func (s *State) Changed() <-chan struct{} { return s.changed }

// Feeds are the states of all feeds of a log.
type Feeds struct {
	log    Log
	logger *slog.Logger

	looking  sync.Mutex // so that what was read later is put later
	versions map[string]string
	last     int64                     // number of the last history, see State.History
	seen     atomic.Pointer[time.Time] // when the last look that succeeded began; Open makes the first

	asking sync.Mutex
	next   *look         // the look that requests wait for, nil if none does; it has not begun
	asked  chan struct{} // says that next is there

	mu     sync.RWMutex
	states map[string]*State

	hints  sync.Mutex
	hinted map[string]bool // names of feeds to look at; the empty one means all
	wake   chan struct{}
}

// Open reads all feeds. Run keeps them up to date. ctx bounds the reading.
func Open(ctx context.Context, log Log, logger *slog.Logger) (*Feeds, error) {
	f := &Feeds{
		log: log, logger: logger,
		states: make(map[string]*State), asked: make(chan struct{}, 1),
		hinted: make(map[string]bool), wake: make(chan struct{}, 1),
	}
	if err := f.Look(ctx); err != nil {
		return nil, fmt.Errorf("read the feeds: %w", err)
	}
	return f, nil
}

// Get returns a feed's state, or store.ErrNoFeed, wrapped.
func (f *Feeds) Get(name string) (*State, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if state := f.states[name]; state != nil {
		return state, nil
	}
	return nil, NoFeed(name)
}

// NoFeed is the error that Get returns for a name that is not there.
func NoFeed(name string) error { return fmt.Errorf("feed %.80s: %w", name, store.ErrNoFeed) }

// All returns the states of all feeds, by name.
func (f *Feeds) All() []*State {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.SortedFunc(maps.Values(f.states), func(a, b *State) int { return cmp.Compare(a.Name, b.Name) })
}

// readChanged reads the feeds whose versions are new. The versions are read
// first: what changes in between is read again the next time.
func (f *Feeds) readChanged(ctx context.Context) error {
	versions, err := f.log.Versions(ctx)
	if err != nil {
		return err
	}
	var changed []string
	for name, version := range versions {
		if f.versions[name] != version {
			changed = append(changed, name)
		}
	}
	if err := f.readFeeds(ctx, changed); err != nil {
		return err
	}
	f.versions = versions
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, state := range f.states {
		if _, there := versions[name]; !there {
			close(state.changed)
			delete(f.states, name)
		}
	}
	return nil
}

func (f *Feeds) readFeeds(ctx context.Context, names []string) error {
	if len(names) <= many {
		return f.readEach(ctx, names)
	}
	feeds, err := f.log.Feeds(ctx)
	if err != nil {
		return err
	}
	for i := range feeds {
		if err := f.put(ctx, &feeds[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *Feeds) readEach(ctx context.Context, names []string) error {
	for _, name := range names {
		fresh, err := f.log.Feed(ctx, name)
		if err != nil {
			return err
		}
		if err := f.put(ctx, &fresh); err != nil {
			return err
		}
	}
	return nil
}

// put makes a feed's row its state, and wakes who waits if its documents are
// others now. The caller holds looking.
func (f *Feeds) put(ctx context.Context, fresh *store.Feed) error {
	history, err := f.historyOf(ctx, fresh)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &State{Feed: *fresh, History: history, changed: make(chan struct{})}
	if old := f.states[fresh.Name]; old != nil {
		if SameDocuments(&old.Feed, fresh) {
			next.changed = old.changed
		} else {
			defer close(old.changed)
		}
	}
	f.states[fresh.Name] = next
	return nil
}

// historyOf returns the number of a feed's history: another one than before if
// the history that was read before is not the beginning of it. That is expected
// of a new epoch, and of a database in which one is about to begin.
func (f *Feeds) historyOf(ctx context.Context, fresh *store.Feed) (int64, error) {
	f.mu.RLock()
	old := f.states[fresh.Name]
	f.mu.RUnlock()
	if old != nil {
		continues, err := f.log.Continues(ctx, &old.Feed, fresh)
		if err != nil {
			return 0, fmt.Errorf("feed %s: %w", fresh.Name, err)
		}
		if continues {
			return old.History, nil
		}
		if old.ID == fresh.ID && !fresh.Moved && slices.Equal(old.Epochs, fresh.Epochs) {
			f.logger.Warn("the log was replaced by one with another history",
				"feed", fresh.Name, "was", old.Position, "position", fresh.Position,
				"next", "if events were lost, begin a new epoch: feedserver new-epoch "+fresh.Name)
		}
	}
	f.last++
	return f.last, nil
}

// SameDocuments reports whether two readings of a feed have the same documents.
func SameDocuments(a, b *store.Feed) bool {
	return a.ID == b.ID && a.Title == b.Title && a.Author == b.Author &&
		a.Published == b.Published && a.Shown == b.Shown && a.Archives == b.Archives && a.Held == b.Held && a.Entities == b.Entities && slices.Equal(a.Epochs, b.Epochs)
}
