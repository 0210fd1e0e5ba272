package lag_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// served is a served feed, with the place at each of its positions, and the
// number of documents that were asked for.
type served struct {
	log    *store.Log
	id     string
	url    string
	epoch  string
	places []feed.Digest
	events []event.Placed
	asked  atomic.Int64
}

// serve serves a feed whose events came in as many at a time.
func serve(t *testing.T, pageSize int, batches ...int) *served {
	t.Helper()
	s := &served{log: storetest.Open(t, testdb.SQLite(t))}
	f := storetest.Create(t, s.log, "f", pageSize)
	last := 0
	for _, n := range batches {
		storetest.Append(t, s.log, "f", storetest.Events(last+1, last+n))
		storetest.Drain(t, s.log, "f")
		last += n
	}
	s.id, s.epoch, s.events = f.ID, f.Epochs[0].ID, storetest.Read(t, s.log, "f")
	chain := feed.Chain{Digest: feed.FirstDigest(f.ID), Epochs: f.Epochs}
	s.places = append(s.places, chain.Digest)
	for i := range s.events {
		hash, _ := feed.EventHash(&s.events[i].Event, nil)
		chain.Next(hash)
		s.places = append(s.places, chain.Digest)
	}
	real := servertest.Handler(t, s.log)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.url = web.URL + "/feeds/f"
	return s
}

func (s *served) at(position int) *checkpoint.Status {
	return &checkpoint.Status{Checkpoint: checkpoint.Checkpoint{
		FeedID: s.id, Epoch: s.epoch, Position: int64(position), Digest: s.places[position],
	}}
}

func (s *served) reader(t *testing.T) *lag.Feed {
	t.Helper()
	u, err := fetch.ParseURL(s.url)
	must.OK(t, err)
	none := func(context.Context, string, string) ([]walk.Place, error) { return nil, nil }
	return &lag.Feed{URL: u, Kept: none, Client: &walk.Client{Client: &fetch.Client{HTTP: http.DefaultClient, Logger: slog.New(slog.DiscardHandler)}}}
}

// TestLagIsTheEventsBehindTheCheckpointSinceTheFirstOfThem at every position,
// and costs a request or two besides the one for the document, or three where the
// feed is short.
func TestLagIsTheEventsBehindTheCheckpointSinceTheFirstOfThem(t *testing.T) {
	t.Parallel()
	s := serve(t, 10, 3, 100, 1, 99)
	for position := range len(s.events) + 1 {
		before := s.asked.Load()
		reader := s.reader(t)
		must.OK(t, reader.Look(t.Context()))
		got, err := reader.Lag(t.Context(), s.at(position))
		must.OK(t, err)
		want := lag.Lag{Events: int64(len(s.events) - position)}
		if want.Events > 0 {
			want.Since = s.events[position].Recorded
		}
		if got.Events != want.Events || !got.Since.Equal(want.Since) {
			t.Errorf("at position %d: %+v, want %+v", position, got, want)
		}
		if asked := s.asked.Load() - before; asked > 4 {
			t.Errorf("at position %d: %d requests", position, asked)
		}
	}
}

// TestEventsAreFoundOnPagesOfAllSizes, in a number of requests that grows as
// slowly as by halving.
func TestEventsAreFoundOnPagesOfAllSizes(t *testing.T) {
	t.Parallel()
	s := &served{log: storetest.Open(t, testdb.SQLite(t))}
	_, err := s.log.Create(t.Context(), store.Feed{Name: "f", PageSize: 500, PageBytes: 4000})
	must.OK(t, err)
	events := storetest.Events(1, 2000)
	for i := range events {
		if i > 1800 {
			events[i].Data = make([]byte, 3000)
		}
	}
	storetest.Append(t, s.log, "f", events)
	storetest.Drain(t, s.log, "f")
	f, err := s.log.Feed(t.Context(), "f")
	must.OK(t, err)
	web := servertest.Serve(t, s.log)
	u, err := fetch.ParseURL(web.URL + "/feeds/f")
	must.OK(t, err)
	client := &walk.Client{Client: &fetch.Client{HTTP: http.DefaultClient, Logger: slog.New(slog.DiscardHandler)}}
	head, err := client.Subscription(t.Context(), u, "", false)
	must.OK(t, err)
	for position := int64(1); position <= f.Published; position += 41 {
		before := client.Meter.Pages.Load()
		e, _, err := client.EventAt(t.Context(), head, position, nil)
		must.OK(t, err)
		if e.Position != position {
			t.Errorf("position %d: event %d", position, e.Position)
		}
		if pages := client.Meter.Pages.Load() - before; pages > 16 {
			t.Errorf("position %d of %d pages: %d requests", position, f.Archives, pages)
		}
	}
}

func TestWhatIsAskedAgainIsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	s := serve(t, 10, 95)
	reader := s.reader(t)
	for range 3 {
		must.OK(t, reader.Look(t.Context()))
		got, err := reader.Lag(t.Context(), s.at(5))
		must.OK(t, err)
		if got.Events != 90 {
			t.Errorf("%d events", got.Events)
		}
	}
	if asked := s.asked.Load(); asked > 3+2 { // the archive is fetched once
		t.Errorf("%d requests", asked)
	}
	storetest.Append(t, s.log, "f", storetest.Events(96, 120))
	storetest.Drain(t, s.log, "f")
	must.OK(t, reader.Look(t.Context()))
	got, err := reader.Lag(t.Context(), s.at(95))
	must.OK(t, err)
	if got.Events != 25 || got.For(time.Now()) < 0 {
		t.Errorf("lag %+v", got)
	}
}

func TestCheckpointThatTheHistoryDoesNotHoldIsAMismatch(t *testing.T) {
	t.Parallel()
	s := serve(t, 10, 95)
	other := s.at(95)
	other.Digest[0]++
	foreign := s.at(95)
	foreign.FeedID = "urn:uuid:00000000-0000-4000-8000-000000000000"
	lost := s.at(95)
	lost.Epoch = "00000000-0000-4000-8000-000000000000"
	for name, at := range map[string]*checkpoint.Status{"other events": other, "another feed": foreign, "a lost epoch": lost} {
		reader := s.reader(t)
		must.OK(t, reader.Look(t.Context()))
		if _, err := reader.Lag(t.Context(), at); !errors.Is(err, walk.ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStateAsOfAPointInTimeLacksNothingThatCameLater.
func TestStateAsOfAPointInTimeLacksNothingThatCameLater(t *testing.T) {
	t.Parallel()
	s := serve(t, 10, 95)
	for position, want := range map[int]int64{10: 30, 40: 0, 41: 0} {
		at := s.at(position)
		at.SeedEnd, at.Consumer.AsOf = 40, time.Now()
		reader := s.reader(t)
		must.OK(t, reader.Look(t.Context()))
		got, err := reader.Lag(t.Context(), at)
		must.OK(t, err)
		if got.Events != want {
			t.Errorf("at position %d: %d events, want %d", position, got.Events, want)
		}
	}
}

func TestClocksThatDifferMakeNobodyAhead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for since, want := range map[time.Time]time.Duration{{}: 0, now.Add(time.Second): 0, now.Add(-time.Second): time.Second} {
		if got := (lag.Lag{Since: since}).For(now); got != want {
			t.Errorf("since %v: %v, want %v", since, got, want)
		}
	}
}

// TestWhatIsOldOrNotThereYetIsNoMismatch: nobody knows then how far behind a
// consumer is.
func TestWhatIsOldOrNotThereYetIsNoMismatch(t *testing.T) {
	t.Parallel()
	s := serve(t, 10, 95)
	later := *s.at(95)
	later.Position = 120
	f := s.reader(t)
	must.OK(t, f.Look(t.Context()))
	_, err := f.Lag(t.Context(), &later)
	if old, is := errors.AsType[*walk.OldError](err); !is || old.Last != 95 || errors.Is(err, walk.ErrMismatch) {
		t.Errorf("a feed that ends before: %v", err)
	}
	f.Kept = func(context.Context, string, string) ([]walk.Place, error) {
		return []walk.Place{{Epoch: s.epoch, Position: 90, Digest: s.places[91]}}, nil
	}
	if _, err := f.Lag(t.Context(), &later); !errors.Is(err, walk.ErrMismatch) {
		t.Errorf("a feed that ends before, and differs: %v", err)
	}
	f.Client.HTTP = &http.Client{Transport: missing{}}
	if _, err := f.Lag(t.Context(), s.at(5)); err == nil || errors.Is(err, walk.ErrMismatch) {
		t.Errorf("a page that is missing: %v", err)
	}
}

// missing answers each request for an archive with 404.
type missing struct{}

func (missing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.Contains(r.URL.Path, "/archive/") {
		return http.DefaultTransport.RoundTrip(r)
	}
	recorder := httptest.NewRecorder()
	recorder.WriteHeader(http.StatusNotFound)
	response := recorder.Result()
	response.Request = r
	return response, nil
}
