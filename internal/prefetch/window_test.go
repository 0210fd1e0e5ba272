package prefetch_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/prefetch"
)

// inFlight fetches values that take a time, and returns the largest number of them that were fetched at
// once while each range of values was.
func inFlight(t *testing.T, takes func(i int) time.Duration, use time.Duration, values int) (most func(from, to int) int64) {
	t.Helper()
	var now atomic.Int64
	seen := make([]atomic.Int64, values)
	get := func(ctx context.Context, i int, _ *prefetch.Share) (int, error) {
		seen[i].Store(now.Add(1))
		defer now.Add(-1)
		select {
		case <-time.After(takes(i)):
		case <-ctx.Done():
		}
		return i, ctx.Err()
	}
	for got := range prefetch.Fetch(t.Context(), prefetch.Bounds{AtOnce: 8, Most: 40, Room: 1}, upTo(values, nil), get) {
		got.Done()
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		time.Sleep(use)
	}
	return func(from, to int) (largest int64) {
		for i := from; i < to; i++ {
			largest = max(largest, seen[i].Load())
		}
		return largest
	}
}

func TestMoreIsFetchedAtOnceWhereTheDelayIsTheLimit(t *testing.T) {
	t.Parallel()
	most := inFlight(t, func(int) time.Duration { return 50 * time.Millisecond }, 0, 400)
	if n := most(0, 8); n > 8 {
		t.Errorf("%d at once in the beginning, want 8", n)
	}
	if n := most(0, 400); n <= 16 || n > 40 {
		t.Errorf("%d at once at most, want more than 16 and no more than 40", n)
	}
}

func TestNoMoreIsFetchedAtOnceForASlowReader(t *testing.T) {
	t.Parallel()
	if n := inFlight(t, func(int) time.Duration { return time.Millisecond }, 5*time.Millisecond, 100)(0, 100); n > 8 {
		t.Errorf("%d at once, want 8", n)
	}
}

// A server that has too much to do answers later than before.
func TestLessIsFetchedAtOnceFromAServerThatBecomesSlow(t *testing.T) {
	t.Parallel()
	most := inFlight(t, func(i int) time.Duration {
		if i < 300 {
			return 20 * time.Millisecond
		}
		return 300 * time.Millisecond
	}, 0, 440)
	if n := most(200, 300); n <= 16 {
		t.Errorf("%d at once at first, want more than 16", n)
	}
	if n := most(430, 440); n > 12 {
		t.Errorf("%d at once in the end, want about 8", n)
	}
}
