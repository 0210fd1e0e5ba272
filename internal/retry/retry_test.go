package retry_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventfeed/eventfeed/internal/retry"
)

func TestWaitsGrowToTheLongestAndBeginAnew(t *testing.T) {
	t.Parallel()
	tries := retry.Begin(50*time.Millisecond, time.Second)
	first := tries.Next()
	var last time.Duration
	for range 50 {
		last = tries.Next()
	}
	tries.Again()
	if again := tries.Next(); first > 100*time.Millisecond || last < 400*time.Millisecond || last > 2*time.Second || again > 100*time.Millisecond {
		t.Errorf("waits: %v, then up to %v, and anew %v", first, last, again)
	}
}

func TestSleepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		tries := retry.Begin(time.Second, time.Second)
		if err := retry.Sleep(ctx, 500*time.Millisecond); err != nil || tries.Lasted() != 500*time.Millisecond {
			t.Errorf("after %v: %v", tries.Lasted(), err)
		}
		if err := retry.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || tries.Lasted() != time.Second {
			t.Errorf("after %v: %v", tries.Lasted(), err)
		}
		if err := retry.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no time, of a context that is done: %v", err)
		}
	})
}

func TestOutageIsOneWarning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var outage retry.Outage
		if outage.Over() {
			t.Error("over before it began")
		}
		for i, want := range []slog.Level{slog.LevelWarn, slog.LevelDebug, slog.LevelDebug} {
			time.Sleep(time.Hour)
			if level := outage.Level(0); level != want {
				t.Errorf("failure %d: %v", i, level)
			}
		}
		for i, want := range []slog.Level{slog.LevelWarn, slog.LevelDebug, slog.LevelDebug, slog.LevelWarn} {
			if level := outage.Level(time.Minute); level != want {
				t.Errorf("failure %d, repeated: %v", i, level)
			}
			time.Sleep(25 * time.Second)
		}
		if !outage.Over() || outage.Over() || outage.Level(0) != slog.LevelWarn {
			t.Error("not over once, or not told of the next one")
		}
	})
}
