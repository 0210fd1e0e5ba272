package seed_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint/checkpointtest"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
)

// TestALogThatKeepsItsOwnCheckpointIsFilled, and followed, without more than it has.
func TestALogThatKeepsItsOwnCheckpointIsFilled(t *testing.T) {
	t.Parallel()
	s, log := newSource(t, 25), &checkpointtest.Log{}
	config := seed.Config{From: []string{s.feed()}, Into: seed.NewTarget(log)}
	wantPositions := func(n int) {
		t.Helper()
		positions := log.Positions()
		for i, position := range positions {
			if position != int64(i+1) {
				t.Fatalf("positions %v", positions)
			}
		}
		if len(positions) != n {
			t.Errorf("%d messages, want %d", len(positions), n)
		}
	}
	must.OK(t, seed.Run(t.Context(), config))
	wantPositions(25)
	s.add(t, 26, 30)
	must.OK(t, seed.Run(t.Context(), config))
	wantPositions(30)
}

// TestALogThatBreaksOffIsGoneOnWithBehindItsEnd: it takes one message after the other, so
// after an error a beginning of a step is there.
func TestALogThatBreaksOffIsGoneOnWithBehindItsEnd(t *testing.T) {
	t.Parallel()
	s, log := newSource(t, 60), &checkpointtest.Log{}
	breaks := map[int64]bool{1: true, 7: true, 20: true, 33: true, 34: true, 60: true}
	log.Break(func(position int64) bool {
		is := breaks[position]
		delete(breaks, position)
		return is
	})
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: seed.NewTarget(log)}))
	for i, position := range log.Positions() {
		if position != int64(i+1) {
			t.Fatalf("positions %v", log.Positions())
		}
	}
	if n := len(log.Positions()); n != 60 || len(breaks) > 0 {
		t.Errorf("%d messages, and no break at %v", n, breaks)
	}
}

// TestWhatATargetLacksIsRefusedAtTheStartByName: nothing was fetched or applied then.
func TestWhatATargetLacksIsRefusedAtTheStartByName(t *testing.T) {
	t.Parallel()
	log := &checkpointtest.Log{}
	into := seed.NewTarget(log)
	const nowhere = "http://127.0.0.1:1/feeds/nothing"
	run := func(change func(*seed.Config)) error {
		c := seed.Config{From: []string{nowhere}, Into: into}
		change(&c)
		return seed.Run(t.Context(), c)
	}
	for want, err := range map[string]error{
		"no dry run: a message cannot be taken back":                    run(func(c *seed.Config) { c.DryRun = true }),
		"no parking: it keeps nothing but its checkpoint":               run(func(c *seed.Config) { c.OnError = seed.Park }),
		"no second feed: a log has one history":                         run(func(c *seed.Config) { c.From = []string{nowhere, nowhere + "2"} }),
		"no state as of a point in time: a log has the whole history":   run(func(c *seed.Config) { c.AsOf = time.Unix(1, 0) }),
		"no rewind or reset: it keeps nothing but its checkpoint":       seed.Reset(t.Context(), into, "", false, nil),
		"a log in memory: no rewind or reset: it keeps nothing but its": seed.Rewind(t.Context(), seed.Config{From: []string{nowhere}, Into: into}, 1, nil),
		"a log in memory: no parking: it keeps nothing but its":         retryError(seed.Retry(t.Context(), into, "", seed.RetryOptions{})),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if got := log.Positions(); got != nil {
		t.Errorf("messages %v", got)
	}
}

func retryError(_ seed.Retried, err error) error { return err }

// TestAFeedOfAnotherKindIsRefusedByATargetThatRemembersNone.
func TestAFeedOfAnotherKindIsRefusedByATargetThatRemembersNone(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:x</id><title>x</title><updated>2026-01-01T00:00:00Z</updated></feed>`))
	}))
	t.Cleanup(web.Close)
	err := seed.Run(t.Context(), seed.Config{From: []string{web.URL}, Into: seed.NewTarget(&checkpointtest.Log{})})
	if err == nil || !strings.Contains(err.Error(), "a log in memory: no foreign feeds") {
		t.Error(err)
	}
}

// TestALogHasOneHolder: the second run of a consumer is told of the first.
func TestALogHasOneHolder(t *testing.T) {
	t.Parallel()
	s, log := newSource(t, 25), &checkpointtest.Log{}
	into := seed.NewTarget(log)
	f := follow(t, seed.Config{From: []string{s.feed()}, Into: into})
	f.wait(t, 25)
	if err := seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into}); err == nil || !strings.Contains(err.Error(), seed.ErrHeld.Error()) {
		t.Error(err)
	}
}
