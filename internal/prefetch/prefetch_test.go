package prefetch_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/prefetch"
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
func (w *watched) get(ctx context.Context, i int, share *prefetch.Share) (int, error) {
	if err := share.Hold(ctx, 10); err != nil {
		return 0, err
	}
	now := w.now.Add(1)
	defer w.now.Add(-1)
	for most := w.most.Load(); now > most && !w.most.CompareAndSwap(most, now); {
		most = w.most.Load()
	}
	time.Sleep(time.Duration(5-i%5) * time.Millisecond)
	if i == 70 {
		return 0, errBad
	}
	return i, nil
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
			for got := range prefetch.Fetch(t.Context(), prefetch.Bounds{AtOnce: atOnce, Room: 1000}, upTo(test.keys, test.err), w.get) {
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

// held counts what a test's values hold.
type held struct {
	sync.Mutex
	now, most int64
}

func (h *held) add(n int64) {
	h.Lock()
	defer h.Unlock()
	h.now += n
	h.most = max(h.most, h.now)
}

// TestNoMoreIsHeldThanTheRoomAndOneValue: whatever the sizes of values, which nobody
// knows before they have been read, a piece at a time.
func TestNoMoreIsHeldThanTheRoomAndOneValue(t *testing.T) {
	t.Parallel()
	const large, room = 50, 20
	for name, pieces := range map[string]func(i int) int64{
		"one small, then large":   func(i int) int64 { return int64(min(i, 1)*(large-1) + 1) },
		"large, then small":       func(i int) int64 { return int64(large - min(i, 1)*(large-1)) },
		"now large and now small": func(i int) int64 { return int64(1 + i%2*(large-1)) },
		"small":                   func(int) int64 { return 3 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h held
			get := func(ctx context.Context, i int, share *prefetch.Share) (int, error) {
				for n := int64(1); n <= pieces(i); n++ {
					if err := share.Hold(ctx, n); err != nil {
						return 0, err
					}
					h.add(1)
				}
				return i, nil
			}
			next := 0
			for got := range prefetch.Fetch(t.Context(), prefetch.Bounds{AtOnce: 16, Room: room}, upTo(100, nil), get) {
				if got.Err != nil || got.Value != next {
					t.Fatalf("%d, %v, want %d", got.Value, got.Err, next)
				}
				h.add(-pieces(next))
				got.Done()
				got.Done() // once is enough
				next++
			}
			if next != 100 || h.now != 0 || h.most > room+large {
				t.Errorf("%d values, %d bytes held at once, %d at the end", next, h.most, h.now)
			}
		})
	}
}

func TestNothingIsFetchedAfterTheIterationHasEnded(t *testing.T) {
	t.Parallel()
	w := &watched{}
	for got := range prefetch.Fetch(t.Context(), prefetch.Bounds{AtOnce: 8, Room: 1000}, upTo(60, nil), w.get) {
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
	for got := range prefetch.Fetch(ctx, prefetch.Bounds{AtOnce: 8, Room: 1000}, upTo(60, nil), w.get) {
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
