package prefetch

import (
	"context"
	"sync"
)

// room is the memory that the values of one iteration share.
type room struct {
	size int64

	mu      sync.Mutex
	held    int64
	largest int64         // that one value has held
	shares  []*Share      // not given back yet, in the order of their keys
	changed chan struct{} // closed when bytes or a share are given back; nil while nobody waits
}

// Share is what one value holds of the room, in bytes.
type Share struct {
	room *room
	held int64 // guarded by room.mu
}

func (r *room) share() *Share {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Share{room: r}
	r.shares = append(r.shares, s)
	return s
}

// Hold makes n the number of bytes that the value holds, among them what its getter
// is about to read. To hold more than before it waits until there is room. The value
// that comes before all others that are held never waits: so one value may be larger
// than the room, and the room and that value bound the memory.
//
// A getter that waits while a server sends would be cut off: it uses TryHold, and
// starts over after Hold.
func (s *Share) Hold(ctx context.Context, n int64) error {
	for {
		changed := s.hold(n)
		if changed == nil {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// TryHold is Hold for a getter that cannot wait. It reports whether there is room.
func (s *Share) TryHold(n int64) bool { return s.hold(n) == nil }

// hold returns nil, or what to wait for before trying again.
func (s *Share) hold(n int64) (changed <-chan struct{}) {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if n > s.held && r.held-s.held+n > r.size && r.shares[0] != s {
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		return r.changed
	}
	gave := n < s.held
	r.held += n - s.held
	s.held = n
	r.largest = max(r.largest, n)
	if gave {
		r.wake()
	}
	return nil
}

// giveBack ends the share. It may be called more than once.
func (s *Share) giveBack() {
	r := s.room
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.shares {
		if other == s {
			r.shares = append(r.shares[:i:i], r.shares[i+1:]...)
			r.held -= s.held
			s.held = 0
			r.wake()
			return
		}
	}
}

// expected is what the next value may hold: the most that one has held, as far as
// there is room at all.
func (r *room) expected() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(r.largest, r.size)
}

// wake lets all that wait look again.
func (r *room) wake() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}
