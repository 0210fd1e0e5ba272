package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// TestTargetIsAskedForParkedEventsOnceInAWhile, and what it answered stays while it is away.
func TestTargetIsAskedForParkedEventsOnceInAWhile(t *testing.T) {
	t.Parallel()
	var asked int
	var away error
	r := &parkedReader{read: func(ctx context.Context) (failedEvents, error) {
		asked++
		if until, limited := ctx.Deadline(); !limited || time.Until(until) > parkedLimit {
			t.Errorf("it may take until %s", until)
		}
		return failedEvents{first: make([]checkpoint.Parked, asked)}, away
	}}
	check := func(wantAsked, wantFound int, wantErr error) {
		t.Helper()
		found, at, err := r.list()
		if asked != wantAsked || len(found.first) != wantFound || !errors.Is(err, wantErr) || at.IsZero() != (wantFound == 0) {
			t.Errorf("asked %d times, %d found at %s, %v; want %d, %d, %v", asked, len(found.first), at, err, wantAsked, wantFound, wantErr)
		}
	}
	away = errors.New("away")
	check(1, 0, away)
	check(1, 0, away)
	later := func() { r.asked = r.asked.Add(-parkedEvery) }
	later()
	away = nil
	check(2, 2, nil)
	check(2, 2, nil)
	later()
	away = errors.New("away again")
	check(3, 2, away)
	later()
	away = nil
	check(4, 4, nil)
}
