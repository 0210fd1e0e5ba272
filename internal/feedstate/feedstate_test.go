package feedstate_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// patience is far longer than anything here takes.
const patience = time.Minute

// open returns the states of a log's feeds, kept up to date until the end of
// the test.
func open(t *testing.T, l feedstate.Log) *feedstate.Feeds {
	t.Helper()
	feeds, err := feedstate.Open(t.Context(), l, slog.New(slog.DiscardHandler))
	must.OK(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- feeds.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return feeds
}

func wait(t *testing.T, changed <-chan struct{}) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatal("nobody was woken")
	}
}

func TestEveryServerOnTheDatabaseIsWoken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		storetest.Create(t, l, "f", 10)
		storetest.Create(t, l, "other", 10)
		one, two := open(t, l), open(t, storetest.Open(t, url))
		for n := range 5 {
			before := map[*feedstate.Feeds]*feedstate.State{}
			other, err := one.Get("other")
			must.OK(t, err)
			for _, feeds := range []*feedstate.Feeds{one, two} {
				state, err := feeds.Get("f")
				must.OK(t, err)
				before[feeds] = state
			}
			storetest.Append(t, l, "f", storetest.Events(n+1, n+1))
			storetest.Drain(t, l, "f")
			for feeds, state := range before {
				wait(t, state.Changed())
				now, err := feeds.Get("f")
				must.OK(t, err)
				if now.Published != int64(n+1) {
					t.Errorf("%d are published, want %d", now.Published, n+1)
				}
			}
			select {
			case <-other.Changed():
				t.Error("who waits for another feed was woken")
			default:
			}
		}
	})
}

func TestAFeedThatIsCreatedIsThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		feeds := open(t, l)
		if _, err := feeds.Get("f"); !errors.Is(err, store.ErrNoFeed) {
			t.Errorf("a feed that is not there: %v", err)
		}
		for n := range 30 { // so many that all are read in one
			storetest.Create(t, l, string(rune('a'+n%26))+string(rune('a'+n/26)), 10)
		}
		for deadline := time.Now().Add(patience); len(feeds.All()) < 30; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d feeds of 30 are there", len(feeds.All()))
			}
		}
		if all := feeds.All(); all[0].Name != "aa" || all[1].Name != "ab" {
			t.Errorf("%s, %s: not by name", all[0].Name, all[1].Name)
		}
	})
}

// deaf is a log that cannot be watched, as behind a pooler.
type deaf struct{ feedstate.Log }

func (deaf) Watch(context.Context, func(string)) error { return errors.New("cannot be watched") }

func TestChangesAreNoticedWhereNobodyTells(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 2)
		feeds := open(t, deaf{l})
		for _, change := range []func(){
			func() {
				storetest.Append(t, l, "f", storetest.Events(1, 1))
				storetest.Drain(t, l, "f")
			},
			func() { must.OK(t, l.NewEpoch(t.Context(), "f", "test")) },
		} {
			state, err := feeds.Get("f")
			must.OK(t, err)
			change()
			wait(t, state.Changed())
		}
	})
}

func TestWhatNoDocumentShowsWakesNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 2)
		storetest.Append(t, l, "f", storetest.Events(1, 2))
		_, err := l.Sequence(t.Context(), "f", 10)
		must.OK(t, err)
		feeds := open(t, l)
		state, err := feeds.Get("f")
		must.OK(t, err)
		storetest.Append(t, l, "f", storetest.Events(3, 4)) // behind a page that is full and not sealed
		_, err = l.Sequence(t.Context(), "f", 10)
		must.OK(t, err)
		for {
			now, err := feeds.Get("f")
			must.OK(t, err)
			if now.Position == 4 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		select {
		case <-state.Changed():
			t.Error("was woken")
		default:
		}
		storetest.Drain(t, l, "f")
		wait(t, state.Changed())
	})
}

// counted counts the looks at a log.
type counted struct {
	feedstate.Log
	looks atomic.Int64
}

func (c *counted) Versions(ctx context.Context) (map[string]string, error) {
	c.looks.Add(1)
	return c.Log.Versions(ctx)
}

// TestManyWhoAskForFreshStatesShareFewLooks: who asks for what is not there must
// not flood the database.
func TestManyWhoAskForFreshStatesShareFewLooks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 10)
		c := &counted{Log: deaf{l}}
		feeds := open(t, c)
		began, before := time.Now(), c.looks.Load()
		var asked atomic.Int64
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				for time.Since(began) < 2*time.Second {
					if err := feeds.Fresh(t.Context()); err != nil {
						t.Error(err)
					}
					asked.Add(1)
				}
			})
		}
		all.Wait()
		looks, most := c.looks.Load()-before, int64(time.Since(began)/(200*time.Millisecond))+2 // one each 250 ms, and one a second
		if looks > most || asked.Load() < 100 {
			t.Errorf("%d looks for %d who asked, want at most %d", looks, asked.Load(), most)
		}
	})
}

func TestFreshStatesHoldWhatWasCommittedBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 10)
		feeds := open(t, deaf{l})
		for n := range 5 {
			storetest.Append(t, l, "f", storetest.Events(n+1, n+1))
			storetest.Drain(t, l, "f")
			must.OK(t, feeds.Fresh(t.Context()))
			state, err := feeds.Get("f")
			must.OK(t, err)
			if state.Published != int64(n+1) {
				t.Errorf("%d are published, want %d", state.Published, n+1)
			}
		}
	})
}

// hung is a log that can stop to answer.
type hung struct {
	feedstate.Log
	is atomic.Bool
}

func (h *hung) Versions(ctx context.Context) (map[string]string, error) {
	if h.is.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.Log.Versions(ctx)
}

func TestWhileTheDatabaseHangsNobodyIsToldThatTheStatesAreFresh(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 10)
		h := &hung{Log: deaf{l}}
		feeds := open(t, h)
		h.is.Store(true)
		// A look may have begun just before; no later one succeeds.
		for range 3 {
			_ = feeds.Fresh(t.Context())
		}
		if err := feeds.Fresh(t.Context()); !errors.Is(err, feedstate.ErrCutOff) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the states are said to be fresh: %v", err)
		}
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			if _, is := feeds.CutOff(); is {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("is not cut off")
			}
		}
		began := time.Now()
		if err := feeds.Fresh(t.Context()); !errors.Is(err, feedstate.ErrCutOff) {
			t.Errorf("while cut off: %v after %v", err, time.Since(began))
		}
		h.is.Store(false)
		for deadline := time.Now().Add(patience); feeds.Fresh(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("does not recover")
			}
		}
	})
}

// TestNoMoreWaitForALookThanMay: the others are refused at once.
func TestNoMoreWaitForALookThanMay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 10)
		h := &hung{Log: deaf{l}}
		feeds := open(t, h)
		h.is.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var refused atomic.Int64
		var all sync.WaitGroup
		for range 10_000 {
			all.Go(func() {
				if err := feeds.Fresh(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, feedstate.ErrCutOff) && !errors.Is(err, context.DeadlineExceeded) {
					refused.Add(1)
					cancel()
				}
			})
		}
		all.Wait()
		if refused.Load() == 0 {
			t.Error("nobody was refused")
		}
	})
}

// replaceable is a log in whose place another one can be put.
type replaceable struct{ feedstate.Log }

// TestReplacedLogIsWarnedOfOnce: a log that grows has the same history, one that was
// put in its place has another one, of which the server warns once.
func TestReplacedLogIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	base := storetest.Open(t, url)
	storetest.Create(t, base, "f", 2)
	storetest.Append(t, base, "f", storetest.Events(1, 5))
	storetest.Drain(t, base, "f")
	base.Close()
	content, err := os.ReadFile(strings.TrimPrefix(url, sqlitedb.Scheme))
	must.OK(t, err)
	copies := make(map[string]*store.Log)
	for name, last := range map[string]int{"as it was": 5, "grown": 9, "other events": 9, "more other events": 20} {
		copied := testdb.SQLite(t)
		must.OK(t, os.WriteFile(strings.TrimPrefix(copied, sqlitedb.Scheme), content, 0o600))
		copies[name] = storetest.Open(t, copied)
		if last > 5 {
			first := 6
			if strings.HasSuffix(name, "other events") {
				first = 1000 + last
			}
			storetest.Append(t, copies[name], "f", storetest.Events(first, first+last-6))
			storetest.Drain(t, copies[name], "f")
		}
	}
	for then, before := range map[string]string{"as it was": "grown", "other events": "grown", "more other events": "other events", "grown": "as it was"} {
		log := &replaceable{copies[before]}
		var out bytes.Buffer
		feeds, err := feedstate.Open(t.Context(), log, slog.New(slog.NewTextHandler(&out, nil)))
		must.OK(t, err)
		was, err := feeds.Get("f")
		must.OK(t, err)
		log.Log = copies[then]
		must.OK(t, feeds.Look(t.Context()))
		must.OK(t, feeds.Look(t.Context()))
		now, err := feeds.Get("f")
		must.OK(t, err)
		want := 1
		if then == "grown" {
			want = 0
		}
		if got := strings.Count(out.String(), "the log was replaced"); got != want || (now.History != was.History) != (want == 1) {
			t.Errorf("%s, then %s: %d warnings, want %d; history %d, then %d", before, then, got, want, was.History, now.History)
		}
		select {
		case <-was.Changed():
		default:
			t.Errorf("%s, then %s: nobody is told that the documents are others", before, then)
		}
	}
}
