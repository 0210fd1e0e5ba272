package operations

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// askNow asks the database, however short a time ago it was asked.
func askNow(f *Feeds) {
	f.asked, f.took = time.Time{}, 0
	f.look()
}

// ages asks the database, and returns since when the feed's oldest event is
// known to wait.
func ages(t *testing.T, f *Feeds) (since time.Time, waits bool) {
	t.Helper()
	askNow(f)
	must.OK(t, f.err)
	w, waits := f.waiting["f"]
	return w.since, waits
}

// The age of the oldest event is that of one that is still there: it begins
// anew with another one, but not if a long transaction puts one before it.
func TestAgeIsThatOfTheOldestPendingEvent(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	f := NewFeeds(l)
	if _, waits := ages(t, f); waits {
		t.Error("nothing is there, and something waits")
	}

	conn, err := pgx.Connect(t.Context(), testdb.As(url, testdb.Writer))
	must.OK(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	long, err := conn.Begin(t.Context())
	must.OK(t, err)
	_, err = long.Exec(t.Context(), "SELECT eventfeed.append('f', 'T', 's', '{}')")
	must.OK(t, err)
	storetest.Append(t, l, "f", storetest.Events(1, 3))
	first, waits := ages(t, f)
	if !waits {
		t.Fatal("nothing waits")
	}
	if again, _ := ages(t, f); again != first {
		t.Error("the same event waits, and its age has begun anew")
	}
	must.OK(t, long.Commit(t.Context()))
	if older, _ := ages(t, f); older != first {
		t.Error("an older event came in, and the age has begun anew")
	}
	storetest.Drain(t, l, "f")
	storetest.Append(t, l, "f", storetest.Events(4, 5))
	if next, waits := ages(t, f); !waits || !next.After(first) {
		t.Error("another event waits, and has the age of the one before")
	}
	storetest.Drain(t, l, "f")
	if _, waits := ages(t, f); waits {
		t.Error("all have positions, and something waits")
	}
}

// The events of a held feed wait on purpose.
func TestHeldFeedHasNoAge(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, testdb.SQLite(t))
	_, err := l.Create(t.Context(), store.Feed{Name: "f", Held: true})
	must.OK(t, err)
	storetest.Append(t, l, "f", storetest.Events(1, 3))
	f := NewFeeds(l)
	askNow(f)
	if f.waiting["f"].oldest == 0 || f.age(&f.stats.Feeds[0]) != 0 {
		t.Errorf("it has an age: %+v", f.waiting)
	}
	// The operations page shows how long they have been there; once the feed is open they wait anew.
	f.waiting["f"] = waiting{f.waiting["f"].oldest, 0, time.Now().Add(-time.Hour), true}
	if known := f.Known(); known.Oldest["f"] < time.Hour {
		t.Errorf("known for %v", known.Oldest["f"])
	}
	_, err = l.Open(t.Context(), "f")
	must.OK(t, err)
	askNow(f)
	if known := f.Known(); known.Oldest["f"] > time.Minute {
		t.Errorf("after it was opened: %v", known.Oldest["f"])
	}
}

// However many scrape, the database is asked once in a while; while it is
// away, nothing is shown of feeds.
func TestDatabaseIsAskedOnceInAWhile(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, testdb.SQLite(t))
	storetest.Create(t, l, "f", 10)
	f := NewFeeds(l)
	f.every = time.Hour
	registry := prometheus.NewRegistry()
	registry.MustRegister(f)
	count := func(want int) {
		t.Helper()
		if n, err := testutil.GatherAndCount(registry); n != want || err != nil {
			t.Errorf("%d metrics, want %d: %v", n, want, err)
		}
	}
	count(9)
	l.Close()
	count(9) // as it stood
	f.asked, f.took = time.Time{}, 0
	count(1)
	problems, err := testutil.GatherAndLint(registry)
	must.OK(t, err)
	if len(problems) > 0 {
		t.Error(problems)
	}
}

// The table is locked as a migration may lock it, so that the query hangs and the database answers others.
func TestPageDoesNotWaitForAQueryThatHangs(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	f := NewFeeds(l)
	askNow(f)
	must.OK(t, f.err)
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	lock, err := conn.Begin(t.Context())
	must.OK(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE eventfeed.feeds")
	must.OK(t, err)
	f.asked, f.took = time.Time{}, 0
	answered := make(chan struct{})
	go func() {
		f.look()
		close(answered)
	}()
	for running := false; !running; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		running = f.asking != nil
		f.mu.Unlock()
	}
	for range 3 {
		if known := f.Known(); len(known.Feeds) != 1 || known.Err != nil {
			t.Errorf("known meanwhile: %+v", known)
		}
	}
	select {
	case <-answered:
		t.Error("the page has waited for the query")
	default:
	}
	f.look() // one that waits for the answer of the other
	<-answered
	if known := f.Known(); !known.TimedOut || len(known.Feeds) != 1 {
		t.Errorf("known afterwards: %+v", known)
	}
	must.OK(t, lock.Rollback(t.Context()))
	// It took 2 s, so the database is left alone for 20.
	f.asked = time.Now().Add(-askTimeout * (restAfter - 2))
	if f.look(); f.err == nil {
		t.Error("the database was asked again soon")
	}
	f.asked = time.Now().Add(-askTimeout * (restAfter + 20))
	if f.look(); f.err != nil {
		t.Error("the database was not asked again:", f.err)
	}
}

// A server that stops does not become ready any more.
func TestReadyAfterTheStartAndUntilTheStop(t *testing.T) {
	t.Parallel()
	var r Readiness
	for _, step := range []struct {
		do   func()
		want error
	}{{func() {}, ErrStarting}, {r.Begin, nil}, {r.Stop, ErrStopping}, {r.Begin, ErrStopping}} {
		step.do()
		if err := r.Err(); !errors.Is(err, step.want) {
			t.Errorf("%v, want %v", err, step.want)
		}
	}
}

// Rows that a trigger has set aside are counted, by feed.
func TestRefusedRowsAreCounted(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	storetest.Create(t, l, "g", 10)
	conn, err := pgx.Connect(t.Context(), testdb.As(url, testdb.Writer))
	must.OK(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	_, err = conn.Exec(t.Context(), "SELECT eventfeed.append_or_refuse('g', '', 's', NULL, NULL) FROM generate_series(1, 2)")
	must.OK(t, err)
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewFeeds(l))
	const want = `
# HELP eventfeed_feed_refused_rows Refused rows: rows that a trigger could not append to the feed, counted up to 10,000.
# TYPE eventfeed_feed_refused_rows gauge
eventfeed_feed_refused_rows{feed="f"} 0
eventfeed_feed_refused_rows{feed="g"} 2
`
	must.OK(t, testutil.GatherAndCompare(registry, strings.NewReader(want), "eventfeed_feed_refused_rows"))
}
