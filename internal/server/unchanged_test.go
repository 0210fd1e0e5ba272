package server_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// watched counts what is read from a log, and can be away.
type watched struct {
	server.Log
	documents, archives atomic.Int64
	away                atomic.Bool
}

func (w *watched) Subscription(ctx context.Context, name string, known *feed.Document) (*store.Feed, *feed.Document, error) {
	w.documents.Add(1)
	if w.away.Load() {
		return nil, nil, errors.New("the database is away")
	}
	return w.Log.Subscription(ctx, name, known)
}

func (w *watched) Archive(ctx context.Context, name string, page feed.Page) (*store.Feed, store.Document, error) {
	w.archives.Add(1)
	if w.away.Load() {
		return nil, store.Document{}, errors.New("the database is away")
	}
	return w.Log.Archive(ctx, name, page)
}

func watch(t *testing.T) (*watched, *store.Log, string) {
	t.Helper()
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	f := storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 205))
	storetest.Drain(t, l, "f")
	w := &watched{Log: l}
	s := servertest.Publish(t, l, func(c *server.Config) { c.Log = w })
	return w, l, s.URL + feed.SubscriptionPath(f.Name)
}

func TestPollingAnUnchangedFeedReadsNothing(t *testing.T) {
	w, l, url := watch(t)
	first, _ := do(t, "GET", url)
	read := w.documents.Load()
	w.away.Store(true)
	for range 50 {
		for _, header := range [][]string{{"If-None-Match", first.Header.Get("ETag")}, {}, {"Accept", "application/rss+xml"}, {"Accept-Encoding", "gzip"}} {
			if response, _ := do(t, "GET", url, header...); response.StatusCode != 304 && response.StatusCode != 200 {
				t.Fatalf("%v: %d", header, response.StatusCode)
			}
		}
	}
	if again := w.documents.Load(); again != read {
		t.Errorf("an unchanged feed was read %d times", again-read)
	}
	w.away.Store(false)
	storetest.Append(t, l, "f", storetest.Events(206, 206))
	response, _ := do(t, "GET", url, "If-None-Match", first.Header.Get("ETag"), "Prefer", "wait=50")
	if response.StatusCode != 200 || w.documents.Load() != read+1 {
		t.Errorf("%d after %d reads", response.StatusCode, w.documents.Load()-read)
	}
}

func TestADozenWhoSeedAtOnceReadEachPageOnce(t *testing.T) {
	w, l, url := watch(t)
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	var all sync.WaitGroup
	for n := range 12 {
		coding := []string{"zstd", "gzip", "identity"}[n%3]
		all.Go(func() {
			for page := range f.Archives {
				response, _ := do(t, "GET", url+fmt.Sprintf("/archive/%s/%d", f.Epoch(), page+1), "Accept-Encoding", coding)
				if response.StatusCode != 200 {
					t.Errorf("page %d: %d", page+1, response.StatusCode)
				}
			}
		})
	}
	all.Wait()
	if got := w.archives.Load(); got != f.Archives {
		t.Errorf("%d reads of %d pages", got, f.Archives)
	}
	w.away.Store(true)
	if response, _ := do(t, "GET", url+"/archive/"+f.Epoch()+"/1"); response.StatusCode != 200 {
		t.Errorf("while the database is away: %d", response.StatusCode)
	}
	if response, body := do(t, "GET", url+"/archive/"+f.Epoch()+"/99"); response.StatusCode != 404 {
		t.Errorf("a page that is not there, while the database is away: %d %s", response.StatusCode, body)
	}
}

// TestWhileTheLogIsAwayTheVersionBeforeIsServed: the state is newer than what
// can be read of it; who waits is answered when the log is back.
func TestWhileTheLogIsAwayTheVersionBeforeIsServed(t *testing.T) {
	w, l, url := watch(t)
	first, _ := do(t, "GET", url)
	tag := first.Header.Get("ETag")
	w.away.Store(true)
	storetest.Append(t, l, "f", storetest.Events(206, 206))
	answered := make(chan int)
	go func() {
		response, _ := do(t, "GET", url, "If-None-Match", tag, "Prefer", "wait=50")
		answered <- response.StatusCode
	}()
	for read := w.documents.Load(); w.documents.Load() == read; { // until it was tried in vain
		if response, _ := do(t, "GET", url, "If-None-Match", tag); response.StatusCode != 304 {
			t.Fatalf("while the log is away: %d", response.StatusCode)
		}
	}
	if response, _ := do(t, "GET", url); response.StatusCode != 200 {
		t.Errorf("while the log is away: %d", response.StatusCode)
	}
	if response, _ := do(t, "GET", url, "Cache-Control", "no-cache"); response.StatusCode != 503 {
		t.Errorf("the present version, while the log is away: %d", response.StatusCode)
	}
	select {
	case status := <-answered:
		t.Errorf("who waits was answered %d", status)
	default:
	}
	w.away.Store(false)
	if status := <-answered; status != 200 {
		t.Errorf("who waits was answered %d", status)
	}
}

func TestWhileTheLogIsAwayNoOtherHistoryIsServed(t *testing.T) {
	w, l, url := watch(t)
	first, _ := do(t, "GET", url)
	w.away.Store(true)
	must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
	for read := w.documents.Load(); w.documents.Load() == read; {
		do(t, "GET", url)
	}
	if response, _ := do(t, "GET", url, "If-None-Match", first.Header.Get("ETag")); response.StatusCode != 503 {
		t.Errorf("%d", response.StatusCode)
	}
}

// goneBack is a log that has the archives of before, as a database that fails over
// to an older state.
type goneBack struct {
	server.Log
	before map[feed.Page]store.Document
}

func (g *goneBack) Archive(ctx context.Context, name string, page feed.Page) (*store.Feed, store.Document, error) {
	f, d, err := g.Log.Archive(ctx, name, page)
	if before, is := g.before[page]; is {
		d = before
	}
	return f, d, err
}

// TestAnArchiveThatIsFinalIsNeverServedAsTheNewest: what is promised comes with the
// bytes, and a URL that was immutable never has others.
func TestAnArchiveThatIsFinalIsNeverServedAsTheNewest(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 10))
	storetest.Drain(t, l, "f")
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	page := feed.Page{Epoch: f.Epoch(), Number: 1}
	_, newest, err := l.Archive(t.Context(), "f", page)
	must.OK(t, err)
	storetest.Append(t, l, "f", storetest.Events(11, 20))
	storetest.Drain(t, l, "f")
	s := servertest.Serve(t, l, func(c *server.Config) {
		c.Log = &goneBack{c.Log, map[feed.Page]store.Document{page: newest}}
	})
	for _, form := range []string{"atom", "html", "cloudevents"} {
		response, body := do(t, "GET", s.URL+feed.ArchivePath("f", page)+"?format="+form)
		if response.StatusCode != 503 || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s: %.100s", form, response.StatusCode, response.Header.Get("Cache-Control"), body)
		}
	}
}
