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
	largest int64         // the most that one value has held
	shares  []*Share      // shares in use, in the order of their keys
	changed chan struct{} // closed when bytes or a share are released; nil while nobody waits
}

// Share is one value's part of the room.
type Share struct {
	room *room
	held int64 // in bytes; guarded by room.mu
}

func (r *room) share() *Share {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &Share{room: r}
	r.shares = append(r.shares, s)
	return s
}

// Hold sets the share to n bytes, including those that the getter is about to read. If n is more than
// before, it waits until there is room. The first value in use never waits, so one value may exceed
// the room; the memory is limited by the room and that value.
//
// A getter must not wait while a server sends, because the server would end the connection: it uses
// TryHold, and after Hold starts over.
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

// hold returns nil, or a channel to wait for before the next attempt.
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

// giveBack releases the share. It may be called more than once.
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

// expected returns the size to reserve for the next value: that of the largest one so far, at most the
// room.
func (r *room) expected() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(r.largest, r.size)
}

// wake makes all waiting calls try again.
func (r *room) wake() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}
