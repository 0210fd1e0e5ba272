package seed_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// TestFeedThatIsAwayIsNotTheTargetsFault: an error of the feed's server ends the
// run once patience is over, however much was applied before it, and nothing is
// said of the target.
func TestFeedThatIsAwayIsNotTheTargetsFault(t *testing.T) {
	t.Parallel()
	s := newSource(t, 95)
	away := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/3") {
			panic(http.ErrAbortHandler)
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&away)
	pool := newPool(t)
	var log lockedBuffer
	end, err := run(t, seed.Config{From: []string{s.feed()}, Into: seedpgx.Open(pool).Inbox(), Prefetch: 1, Patience: 200 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err == nil || !strings.Contains(err.Error(), "gave up: ") || end.Position != 20 {
		t.Errorf("ended at position %d with %v", end.Position, err)
	}
	if strings.Contains(log.String(), "target") {
		t.Errorf("the log:\n%s", log.String())
	}
}
