package publish_test

import (
	"context"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// start runs a publisher until stop, which returns once it has ended.
func start(t *testing.T, l *store.Log) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- publish.Run(ctx, publish.Config{Log: l, Batch: 7}) }()
	return func() {
		cancel()
		must.OK(t, <-done)
	}
}

func waitFor(t *testing.T, l *store.Log, feed string, position, archives int64) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		f, err := l.Feed(t.Context(), feed)
		must.OK(t, err)
		if f.Position == position && f.Archives == archives {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("feed %s: position %d, %d archives; want %d and %d", feed, f.Position, f.Archives, position, archives)
		}
	}
}

func TestWhatIsAppendedIsPlacedAndSealed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		for _, name := range []string{"busy", "idle", "other"} {
			storetest.Create(t, l, name, 10)
		}
		storetest.Append(t, l, "busy", storetest.Events(1, 95)) // before anybody is at work
		stop := start(t, storetest.Open(t, url))
		waitFor(t, l, "busy", 95, 9)
		storetest.Append(t, l, "other", storetest.Events(1, 3))
		storetest.Append(t, l, "busy", storetest.Events(96, 100))
		waitFor(t, l, "busy", 100, 10)
		waitFor(t, l, "other", 3, 0)
		stop()
		storetest.Append(t, l, "busy", storetest.Events(101, 120))
		defer start(t, storetest.Open(t, url))()
		defer start(t, storetest.Open(t, url))() // a second one changes nothing
		waitFor(t, l, "busy", 120, 12)
		for _, name := range []string{"busy", "idle", "other"} {
			storetest.Verify(t, l, name)
		}
	})
}

func TestAnotherProcessTakesTheLeadOfOneThatHasGone(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	first, second := storetest.Open(t, url), storetest.Open(t, url)
	for _, step := range []struct {
		log  *store.Log
		want bool
	}{{first, true}, {second, false}, {first, true}} {
		if lead, err := step.log.Lead(t.Context()); err != nil || lead != step.want {
			t.Errorf("leads: %v, %v, want %v", lead, err, step.want)
		}
	}
	first.Close()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		lead, err := second.Lead(t.Context())
		must.OK(t, err)
		if lead {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody leads")
		}
	}
}

// TestRestoredDatabaseGetsANewEpoch: the log's identity has changed behind
// its back, as after a restore; the publisher notices before it places
// anything, and for idle feeds too.
func TestRestoredDatabaseGetsANewEpoch(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 25))
	storetest.Drain(t, l, "f")
	before, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	must.OK(t, l.Write(t.Context(), time.Second, func(tx store.Tx) error {
		f, _, err := tx.Lock(t.Context(), "f")
		if err != nil {
			return err
		}
		f.Identity = "another cluster"
		return tx.Save(t.Context(), &f)
	}))
	defer start(t, l)()
	waitFor(t, l, "f", 25, 3) // the open page has closed short
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	if len(f.Epochs) != 2 || f.Identity != before.Identity || f.Epochs[1].FirstPosition != 26 || f.Epochs[1].FirstPage != 2 {
		t.Errorf("%+v", f)
	}
	storetest.Verify(t, l, "f")
}
