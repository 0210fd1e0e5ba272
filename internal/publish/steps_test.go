package publish

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/store"
)

func newSteps(batch int, do func(context.Context, string, int) (int, error)) *steps {
	p := &publisher{Config: Config{Changed: func(string) {}, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(nil)}}
	return p.newLoop(&p.Metrics.sequencer, do, batch, "", "").steps
}

// TestStepThatTakesTooLongIsTriedWithHalf until it is short enough, and one that can
// do no less gets more time: a limit must not make slow work repeat for ever.
func TestStepThatTakesTooLongIsTriedWithHalf(t *testing.T) {
	t.Parallel()
	const tries = 10
	for name, tooLong := range map[string]error{
		"ended by the server":   &pgconn.PgError{Code: "57014"},
		"ended by this program": context.DeadlineExceeded,
	} {
		var batches []int
		var limits []time.Duration
		s := newSteps(100, func(ctx context.Context, _ string, batch int) (int, error) {
			deadline, _ := ctx.Deadline()
			batches, limits = append(batches, batch), append(limits, time.Until(deadline))
			if len(batches) < tries {
				return 0, tooLong
			}
			return batch, nil
		})
		for len(batches) < tries {
			_, _ = s.round(t.Context(), []string{"f"})
			s.wait() // a feed in trouble is not waited for
			if p := s.feeds["f"]; p != nil {
				p.next = time.Time{}
			}
		}
		for i, want := range []int{100, 50, 25, 12, 6, 3, 1, 1, 1, 1} {
			if batches[i] != want {
				t.Errorf("%s: batch %d is %d, want %d", name, i, batches[i], want)
			}
		}
		if limits[0] > stepLimit || limits[9] < 4*stepLimit {
			t.Errorf("%s: limits %v", name, limits)
		}
	}
}

// TestStepThatHangsStopsNoOtherFeed, and is not begun a second time.
func TestStepThatHangsStopsNoOtherFeed(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 10)
	s := newSteps(1, func(ctx context.Context, name string, _ int) (int, error) {
		if name == "hangs" {
			begun <- struct{}{}
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return 1, nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer s.wait()
	defer cancel()
	for range 3 {
		if done, err := s.round(ctx, []string{"hangs", "works"}); done != 1 || err != nil {
			t.Errorf("done %d, %v", done, err)
		}
	}
	if len(begun) != 1 {
		t.Errorf("begun %d times", len(begun))
	}
}

// TestFeedThatIsLockedIsSaidOnlyIfNobodyMovesItOn: another server does, mostly.
func TestFeedThatIsLockedIsSaidOnlyIfNobodyMovesItOn(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-2 * busyTolerated)
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"for a moment":            {&store.BusyError{At: 8, Err: io.EOF}, false},
		"for long, and it stands": {&store.BusyError{At: 7, Err: io.EOF}, true},
		"another error":           {errors.New("the event is not one"), true},
		"no answer":               {io.ErrUnexpectedEOF, true},
	} {
		p := pace{since: long, at: 7, outage: outage{logger: slog.New(slog.DiscardHandler)}}
		if got := p.failed("", test.err, time.Now()); got != test.want {
			t.Errorf("%s: counts %v, want %v", name, got, test.want)
		}
	}
}
