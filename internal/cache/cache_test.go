package cache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/cache"
)

func load(value string, times *atomic.Int64) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		times.Add(1)
		return value, nil
	}
}

func size(value string) int64 { return int64(len(value)) }

func TestManyWhoAskAtOnceLoadOnce(t *testing.T) {
	t.Parallel()
	c := cache.New[int](100, size)
	var times atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if value, err := c.Get(t.Context(), 1, load("one", &times)); value != "one" || err != nil {
				t.Error(value, err)
			}
		})
	}
	all.Wait()
	if times.Load() != 1 {
		t.Errorf("loaded %d times", times.Load())
	}
	if stats := c.Stats(); stats.Bytes != 3 || stats.Hits+stats.Misses != 100 {
		t.Errorf("%+v", stats)
	}
}

// Two keys that print alike are two keys: each who asks gets the value of its own.
func TestConcurrentLoadsOfKeysThatPrintAlikeAreTwo(t *testing.T) {
	t.Parallel()
	type pair struct{ a, b string }
	c := cache.New[pair](100, size)
	loading, let := make(chan struct{}), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		value, err := c.Get(t.Context(), pair{"x", "y z"}, func(context.Context) (string, error) {
			close(loading)
			<-let
			return "first", nil
		})
		if value != "first" || err != nil {
			t.Error(value, err)
		}
	})
	<-loading
	var times atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if value, err := c.Get(ctx, pair{"x y", "z"}, load("second", &times)); value != "second" || err != nil {
		t.Error(value, err)
	}
	close(let)
	first.Wait()
}

func TestBytesAreBounded(t *testing.T) {
	t.Parallel()
	c := cache.New[int](10, size)
	var times atomic.Int64
	get := func(key int, value string) {
		if got, err := c.Get(t.Context(), key, load(value, &times)); got != value || err != nil {
			t.Error(got, err)
		}
	}
	get(1, "aaaa")
	get(2, "bbbb")
	get(1, "aaaa") // so 2 was used longest ago
	get(3, "cccc")
	if times.Load() != 3 || c.Stats().Bytes != 8 {
		t.Errorf("%d loads, %+v", times.Load(), c.Stats())
	}
	get(1, "aaaa")
	if times.Load() != 3 {
		t.Error("what was used lately is gone")
	}
	get(2, "bbbb")
	if times.Load() != 4 {
		t.Error("what was used longest ago is there still")
	}
	get(4, "larger than all")
	get(4, "larger than all")
	if times.Load() != 6 || c.Stats().Bytes > 10 {
		t.Errorf("%d loads, %+v", times.Load(), c.Stats())
	}
}

func TestAnErrorIsNotKept(t *testing.T) {
	t.Parallel()
	c := cache.New[int](10, size)
	away := errors.New("away")
	if _, err := c.Get(t.Context(), 1, func(context.Context) (string, error) { return "", away }); !errors.Is(err, away) {
		t.Error(err)
	}
	if value, err := c.Get(t.Context(), 1, load("there", new(atomic.Int64))); value != "there" || err != nil {
		t.Error(value, err)
	}
}

func TestWhoAskedFirstMayLeave(t *testing.T) {
	t.Parallel()
	c := cache.New[int](10, size)
	ctx, leave := context.WithCancel(t.Context())
	loading, goOn := make(chan struct{}), make(chan struct{})
	second := make(chan error, 1)
	go func() {
		<-loading
		leave()
		go func() {
			_, err := c.Get(t.Context(), 1, load("another", new(atomic.Int64)))
			second <- err
		}()
		close(goOn)
	}()
	_, err := c.Get(ctx, 1, func(ctx context.Context) (string, error) {
		close(loading)
		<-goOn
		return "there", ctx.Err()
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestALoadThatPanicsIsAnError(t *testing.T) {
	t.Parallel()
	c := cache.New[int](10, size)
	if _, err := c.Get(t.Context(), 1, func(context.Context) (string, error) { panic("broken") }); err == nil {
		t.Error("no error")
	}
	if value, err := c.Get(t.Context(), 1, load("there", new(atomic.Int64))); value != "there" || err != nil {
		t.Error(value, err)
	}
}
