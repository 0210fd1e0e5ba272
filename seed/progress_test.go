package seed_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// TestProgressTellsWaitingForPagesFromApplying: a server that is slow costs the run as much as it
// delays the first page, and not once for each page that is fetched meanwhile.
func TestProgressTellsWaitingForPagesFromApplying(t *testing.T) {
	t.Parallel()
	const delay = 300 * time.Millisecond
	s := newSource(t, 100) // in ten pages
	slow := func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if strings.Contains(r.URL.Path, "/archive/") {
			time.Sleep(delay)
		}
		real.ServeHTTP(w, r)
	}
	s.damage.Store(&slow)
	var last seed.Progress
	into := seedsqlite.Open(strings.TrimPrefix(testdb.SQLite(t), "sqlite:")).Inbox()
	began := time.Now()
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{s.feed()}, Into: into, Progress: func(p seed.Progress) { last = p }}))
	if took := time.Since(began); last.WaitPages < delay*9/10 || last.WaitPages+last.Apply+last.Commit > took {
		t.Errorf("in %s it waited %s, applied for %s and committed for %s", took, last.WaitPages, last.Apply, last.Commit)
	}
	if last.Fetch < 5*delay {
		t.Errorf("the requests took %s", last.Fetch)
	}
}
