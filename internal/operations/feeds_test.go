package operations

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/storetest"
	"github.com/eventfeed/eventfeed/internal/testdb"
)

// ages asks the database, and returns since when the feed's oldest event is
// known to wait.
func ages(t *testing.T, f *feeds) (since time.Time, waits bool) {
	t.Helper()
	f.ask()
	storetest.Must(t, f.err)
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
	f := NewFeeds(l).(*feeds)
	if _, waits := ages(t, f); waits {
		t.Error("nothing is there, and something waits")
	}

	conn, err := pgx.Connect(t.Context(), testdb.As(url, testdb.Writer))
	storetest.Must(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	long, err := conn.Begin(t.Context())
	storetest.Must(t, err)
	_, err = long.Exec(t.Context(), "SELECT eventfeed.append('f', 'T', 's', '{}')")
	storetest.Must(t, err)
	storetest.Append(t, l, "f", storetest.Events(1, 3))
	first, waits := ages(t, f)
	if !waits {
		t.Fatal("nothing waits")
	}
	if again, _ := ages(t, f); again != first {
		t.Error("the same event waits, and its age has begun anew")
	}
	storetest.Must(t, long.Commit(t.Context()))
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
	storetest.Must(t, err)
	storetest.Append(t, l, "f", storetest.Events(1, 3))
	if _, waits := ages(t, NewFeeds(l).(*feeds)); waits {
		t.Error("it has an age")
	}
}

// However many scrape, the database is asked once in a while; while it is
// away, nothing is shown of feeds.
func TestDatabaseIsAskedOnceInAWhile(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, testdb.SQLite(t))
	storetest.Create(t, l, "f", 10)
	f := NewFeeds(l).(*feeds)
	f.every = time.Hour
	registry := prometheus.NewRegistry()
	registry.MustRegister(f)
	count := func(want int) {
		t.Helper()
		if n, err := testutil.GatherAndCount(registry); n != want || err != nil {
			t.Errorf("%d metrics, want %d: %v", n, want, err)
		}
	}
	count(8)
	l.Close()
	count(8) // as it stood
	f.asked = time.Time{}
	count(1)
	problems, err := testutil.GatherAndLint(registry)
	storetest.Must(t, err)
	if len(problems) > 0 {
		t.Error(problems)
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
