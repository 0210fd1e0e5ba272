package server

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
)

// subscriptions caches the current version of the subscription document of each feed that is read.
type subscriptions struct {
	log     Log
	feeds   Feeds
	limit   int64 // approximate size of all versions, in bytes
	reading *room
	making  *room

	mu     sync.Mutex
	bytes  int64
	clock  int64
	latest map[string]*latest
}

type latest struct {
	building sync.Mutex // one reader builds, the others wait for it
	built    atomic.Pointer[built]
	retried  chan struct{} // closed when to read again; nil unless an old version is served instead of the current one

	// Guarded by subscriptions.mu.
	size, used int64
}

// built is a version, and the state for which it was read. The version is at least as new as the
// state, because it was read later.
type built struct {
	*version
	state *feedstate.State
}

// The timeout for reading a document, and how long an old one is served after a failed read before
// the next attempt.
const (
	readTimeout   = 10 * time.Second
	retryInterval = time.Second
)

// at returns the current version of a feed's subscription document, and a channel that is closed
// when there may be a newer one. While the log cannot be read, it returns the previous version, if
// that is of the same history and present is false.
func (s *subscriptions) at(ctx context.Context, name string, present bool) (*version, <-chan struct{}, error) {
	l := s.use(name)
	if v, next, err := s.current(l, name); v != nil || err != nil {
		return v, next, err
	}
	l.building.Lock()
	defer l.building.Unlock()
	if v, next, err := s.current(l, name); v != nil || err != nil {
		return v, next, err
	}
	state, err := s.feeds.Get(name)
	if err != nil {
		return nil, nil, err
	}
	var old *version
	if b := l.built.Load(); b != nil && b.document.ID == state.ID && b.state.History == state.History && slices.Equal(b.feed.Epochs, state.Epochs) {
		old = b.version
	}
	if old != nil && l.retried != nil && !present {
		return old, l.retried, nil
	}
	v, err := s.build(ctx, state, old)
	if err != nil && old != nil && !present {
		return old, l.retryLater(), nil
	}
	if err != nil {
		return nil, nil, err
	}
	l.built.Store(&built{v, state})
	s.account(l, v.document)
	return v, state.Changed(), nil
}

// retryLater returns a channel that is closed when it is time to read again. The caller holds building.
func (l *latest) retryLater() <-chan struct{} {
	retried := make(chan struct{})
	l.retried = retried
	time.AfterFunc(retryInterval, func() {
		l.building.Lock()
		l.retried = nil
		l.building.Unlock()
		close(retried)
	})
	return retried
}

// build reads a feed's document. It continues if the client disconnects, because others wait for
// the same document.
func (s *subscriptions) build(ctx context.Context, state *feedstate.State, old *version) (*version, error) {
	if err := reachable(s.feeds); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	leave, err := s.reading.enter(ctx, archiveRoom)
	if err != nil {
		return nil, err
	}
	defer leave()
	var known *feed.Document
	if old != nil {
		known = old.document
	}
	f, d, err := s.log.Subscription(ctx, state.Name, known)
	if err != nil {
		return nil, err
	}
	return newVersion(f, d, s.making), nil
}

// current returns the cached version if it is current, and a channel that is closed when it may not
// be current any more. It returns nil otherwise.
func (s *subscriptions) current(l *latest, name string) (*version, <-chan struct{}, error) {
	state, err := s.feeds.Get(name)
	if err != nil {
		return nil, nil, err
	}
	b := l.built.Load()
	if b != nil && (b.state.Changed() == state.Changed() || feedstate.SameDocuments(b.feed, &state.Feed)) {
		return b.version, state.Changed(), nil
	}
	return nil, nil, nil
}

func (s *subscriptions) use(name string) *latest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil {
		s.latest = make(map[string]*latest)
	}
	l := s.latest[name]
	if l == nil {
		l = &latest{}
		s.latest[name] = l
	}
	s.clock++
	l.used = s.clock
	return l
}

// formsKept is about how many times a document's bytes are in memory: as entries, and in the
// representations that are read.
const formsKept = 4 + keptForClients

// sizeOf returns the approximate size of a document, in bytes.
func sizeOf(entries []event.Placed) (size int64) {
	for i := range entries {
		size += int64(cloudevents.Size(&entries[i].Event))
	}
	return size
}

// account records the size of a version, and drops the least recently used versions while all
// together exceed the limit.
func (s *subscriptions) account(l *latest, d *feed.Document) {
	size := max(leastKeptForClients, formsKept*sizeOf(d.Entries))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += size - l.size
	l.size = size
	for s.bytes > s.limit {
		var oldest *latest
		for _, other := range s.latest {
			if other != l && other.size > 0 && (oldest == nil || other.used < oldest.used) {
				oldest = other
			}
		}
		if oldest == nil {
			return
		}
		oldest.built.Store(nil)
		s.bytes -= oldest.size
		oldest.size = 0
	}
}
