package seed_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/seed"
)

func TestWaitReturnsOnceAConsumerIsThere(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 5)
		ended := make(chan error, 1)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		f, err := s.Feed(t.Context(), "f")
		must.OK(t, err)
		waited := make(chan error, 2)
		for _, feed := range []string{"f", f.ID} { // before the consumer has begun
			go func() { waited <- seed.Wait(ctx, again().Target, "", feed, 5) }()
		}
		go func() {
			ended <- seed.Run(ctx, seed.Config{From: []string{s.feed()}, Into: again().Target, Follow: true})
		}()
		must.OK(t, <-waited)
		must.OK(t, <-waited)
		if inbox := again().inbox(t); len(inbox) < 5 {
			t.Errorf("%d events are in", len(inbox))
		}
		storetest.Append(t, s.Log, "f", storetest.Events(6, 7))
		storetest.Drain(t, s.Log, "f")
		must.OK(t, seed.Wait(ctx, again().Target, seed.DefaultConsumer, "f", 7))
		if inbox := again().inbox(t); len(inbox) != 7 {
			t.Errorf("%d events are in", len(inbox))
		}
		end()
		must.OK(t, <-ended)
		short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer stop()
		err = seed.Wait(short, again().Target, "", "f", 8)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), " to reach position 8") {
			t.Errorf("a position that does not come: %v", err)
		}
	})
}
