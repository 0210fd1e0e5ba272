// Package live keeps the present state of every feed in memory, and wakes who
// waits for a feed to change. So a request for what has not changed needs no
// database, and many who wait cost as little as one.
package live

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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
}

// How often is looked by itself, and how long a look may take. A watch that
// ended is begun again after a while; until then the looks are all there is.
const (
	pollInterval  = time.Second
	queryTimeout  = 10 * time.Second
	watchInterval = 5 * time.Second
)

// many feeds that have changed are read in one query.
const many = 20

// State is a feed as it stands until it changes. It is never written to.
type State struct {
	store.Feed
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

	mu     sync.RWMutex
	states map[string]*State

	hints  sync.Mutex
	hinted map[string]bool // names of feeds to look at; the empty one means all
	wake   chan struct{}
}

// Open reads all feeds. Run keeps them up to date.
func Open(ctx context.Context, log Log, logger *slog.Logger) (*Feeds, error) {
	f := &Feeds{
		log: log, logger: logger,
		states: make(map[string]*State), hinted: make(map[string]bool), wake: make(chan struct{}, 1),
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

// Hint says that a feed has changed, or with an empty name that any may have.
// It does not wait.
func (f *Feeds) Hint(name string) {
	f.hints.Lock()
	f.hinted[name] = true
	f.hints.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *Feeds) takeHints() map[string]bool {
	f.hints.Lock()
	defer f.hints.Unlock()
	taken := f.hinted
	f.hinted = make(map[string]bool)
	return taken
}

// Run keeps the states up to date until ctx is done. While the database is
// away they stay as they are; the loops that need it say so.
func (f *Feeds) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { f.watch(ctx); return nil })
	group.Go(func() error { f.refresh(ctx); return nil })
	return group.Wait()
}

func (f *Feeds) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.log.Watch(ctx, f.Hint)
		if ctx.Err() == nil {
			f.logger.Debug("changes are noticed by looking only", "error", err, "every", pollInterval)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchInterval):
		}
	}
}

func (f *Feeds) refresh(ctx context.Context) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		names := map[string]bool{"": true}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-f.wake:
			names = f.takeHints()
		}
		if err := f.refreshAll(ctx, names); err != nil && ctx.Err() == nil {
			f.logger.Debug("cannot look for changes, trying again", "error", err)
		}
	}
}

func (f *Feeds) refreshAll(ctx context.Context, names map[string]bool) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if names[""] {
		return f.Look(ctx)
	}
	f.looking.Lock()
	defer f.looking.Unlock()
	return f.readEach(ctx, slices.Collect(maps.Keys(names)))
}

// Look reads what has changed, at once.
func (f *Feeds) Look(ctx context.Context) error {
	f.looking.Lock()
	defer f.looking.Unlock()
	return f.look(ctx)
}

// look reads the feeds whose versions are new. The versions are read first:
// what changes in between is read again the next time.
func (f *Feeds) look(ctx context.Context) error {
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
	for i := range feeds {
		f.put(&feeds[i])
	}
	return err
}

func (f *Feeds) readEach(ctx context.Context, names []string) error {
	for _, name := range names {
		fresh, err := f.log.Feed(ctx, name)
		if err != nil {
			return err
		}
		f.put(&fresh)
	}
	return nil
}

// put makes a feed's row its state, and wakes who waits if its documents are
// others now.
func (f *Feeds) put(fresh *store.Feed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := &State{Feed: *fresh, changed: make(chan struct{})}
	if old := f.states[fresh.Name]; old != nil {
		if sameDocuments(&old.Feed, fresh) {
			next.changed = old.changed
		} else {
			defer close(old.changed)
		}
	}
	f.states[fresh.Name] = next
}

func sameDocuments(a, b *store.Feed) bool {
	return a.ID == b.ID && a.Title == b.Title && a.Author == b.Author &&
		a.Published == b.Published && a.Archives == b.Archives && slices.Equal(a.Epochs, b.Epochs)
}
