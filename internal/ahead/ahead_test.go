package ahead_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/ahead"
)

var errBad = errors.New("bad")

// upTo gives the numbers below n, and then an error if there is one.
func upTo(n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

// watched counts how many are being fetched.
type watched struct{ now, most atomic.Int64 }

// get takes 10 bytes for a number, and less time for a later one.
func (w *watched) get(_ context.Context, i int) (int, int64, error) {
	now := w.now.Add(1)
	defer w.now.Add(-1)
	for most := w.most.Load(); now > most && !w.most.CompareAndSwap(most, now); {
		most = w.most.Load()
	}
	time.Sleep(time.Duration(5-i%5) * time.Millisecond)
	if i == 70 {
		return 0, 10, errBad
	}
	return i, 10, nil
}

func TestValuesComeInOrderAndEndWithTheFirstError(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		keys int
		err  error
		want int
	}{{0, nil, 0}, {1, nil, 1}, {50, nil, 50}, {50, errBad, 50}, {0, errBad, 0}, {100, nil, 70}} {
		for _, atOnce := range []int{0, 1, 8} {
			w := &watched{}
			next := 0
			var err error
			for got := range ahead.Fetch(t.Context(), ahead.Bounds{AtOnce: atOnce, Room: 1000}, upTo(test.keys, test.err), w.get) {
				if got.Done(); err != nil {
					t.Errorf("%+v: goes on after %v", test, err)
				}
				if err = got.Err; err == nil && got.Value != next {
					t.Errorf("%+v: %d, want %d", test, got.Value, next)
				}
				if err == nil {
					next++
				}
			}
			if next != test.want || (err != nil) != (test.err != nil || test.keys > 70) {
				t.Errorf("%+v: %d values, %v", test, next, err)
			}
			if w.now.Load() != 0 || w.most.Load() > int64(max(1, atOnce)) || atOnce > 1 && test.keys > 40 && w.most.Load() < 2 {
				t.Errorf("%+v: %d at once of %d", test, w.most.Load(), atOnce)
			}
		}
	}
}

// TestNoMoreIsHeldThanThereIsRoomFor, by the largest value so far.
func TestNoMoreIsHeldThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	for room, most := range map[int64]int64{1: 1, 10: 1, 25: 2, 49: 4} {
		var held, worst atomic.Int64
		get := func(_ context.Context, i int) (int, int64, error) {
			if n := held.Add(1); n > worst.Load() {
				worst.Store(n)
			}
			return i, 10, nil
		}
		n := 0
		for got := range ahead.Fetch(t.Context(), ahead.Bounds{AtOnce: 50, Room: room}, upTo(40, nil), get) {
			time.Sleep(time.Millisecond)
			held.Add(-1)
			got.Done()
			got.Done() // once is enough
			n++
		}
		if n != 40 || worst.Load() > most {
			t.Errorf("room %d: %d values, %d at once, want %d", room, n, worst.Load(), most)
		}
	}
}

func TestNothingIsFetchedAfterTheIterationHasEnded(t *testing.T) {
	t.Parallel()
	w := &watched{}
	for got := range ahead.Fetch(t.Context(), ahead.Bounds{AtOnce: 8, Room: 1000}, upTo(60, nil), w.get) {
		if got.Value == 5 {
			break
		}
		got.Done()
	}
	if w.now.Load() != 0 {
		t.Errorf("%d are being fetched", w.now.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	var err error
	for got := range ahead.Fetch(ctx, ahead.Bounds{AtOnce: 8, Room: 1000}, upTo(60, nil), w.get) {
		if err = got.Err; got.Value == 5 {
			cancel()
		}
		got.Done()
	}
	cancel()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
