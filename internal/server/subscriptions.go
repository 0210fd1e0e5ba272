package server

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
)

// subscriptions keeps the present version of each feed that is being read.
type subscriptions struct {
	log     Log
	feeds   Feeds
	limit   int64 // bytes of all together, about
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
	retried  chan struct{} // while an old version stands in for the present one: closed when to try again

	// Guarded by subscriptions.mu.
	size, used int64
}

// built is a version, and the state for which it was read. The version is as new
// as that, or newer: it was read later.
type built struct {
	*version
	state *feedstate.State
}

// How long a document may take to read, and how long an old one is given in its
// place before it is tried again.
const (
	readTimeout   = 10 * time.Second
	retryInterval = time.Second
)

// at returns the present version of a feed's subscription document, and what is
// closed when there may be another one. While the log cannot be read it is the
// version before, if that is of the same history, and unless it must be the present
// one.
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

// retryLater is closed when it is time to try again. The caller holds building.
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

// build reads a feed's document. It does not end with a client that has gone:
// others wait for the same.
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

// current returns the version that is kept if it is the present one, and what is
// closed when it no longer is.
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

// formsKept is about how often a document's bytes are kept: as entries, and
// encoded for those who read it.
const formsKept = 4 + keptForClients

// sizeOf is about how many bytes a document has.
func sizeOf(d *feed.Document) (size int64) {
	for i := range d.Entries {
		size += int64(cloudevents.Size(&d.Entries[i].Event))
	}
	return size
}

// account notes what a version takes, and lets go of those that were used
// longest ago if all together take too much.
func (s *subscriptions) account(l *latest, d *feed.Document) {
	size := max(leastKeptForClients, formsKept*sizeOf(d))
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
