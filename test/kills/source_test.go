//go:build unix

package kills_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// Each feed has this many events, on pages of this many.
const (
	eventsOfFeed = 3000
	pageSize     = 10
)

// source serves two feeds, slowly, and up to some archive only.
type source struct {
	log   *store.Log
	web   *httptest.Server
	names []string
	pages int64 // of each feed

	mu       sync.Mutex
	admitted int64
	working  chan struct{} // closed at the first request for an archive
}

func newSource(t *testing.T) *source {
	t.Helper()
	s := &source{log: storetest.Open(t, testdb.SQLite(t)), names: []string{"orders", "payments"}, pages: eventsOfFeed / pageSize}
	for i, name := range s.names {
		storetest.Create(t, s.log, name, pageSize)
		events := storetest.Events(1, eventsOfFeed)
		for n := range events {
			events[n].Source, events[n].Time = "/"+name, timeOf(i, n)
		}
		storetest.Append(t, s.log, name, events)
		storetest.Drain(t, s.log, name)
	}
	s.admit(s.pages)
	real := servertest.Handler(t, s.log)
	s.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/archive/") && !s.hold(r) {
			return
		}
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(s.web.Close)
	return s
}

// timeOf is the time of a feed's event: for a third of the history both feeds
// go side by side, with equal times now and then; in the second one feed is
// years ahead; in the third both have clocks that jump back and forth.
func timeOf(feed, n int) time.Time {
	start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	switch {
	case n < eventsOfFeed/3:
		return start.Add(time.Duration(n*(2+feed)/3) * time.Minute)
	case n < 2*eventsOfFeed/3:
		return start.AddDate(1+3*feed, 0, 0).Add(time.Duration(n) * time.Minute)
	default:
		return start.AddDate(10, 0, 0).Add(time.Duration(n-n*n%17) * time.Minute)
	}
}

// admit lets archives up to a number be read, and tells when the first of any is
// asked for.
func (s *source) admit(archives int64) (working <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admitted, s.working = archives, make(chan struct{})
	return s.working
}

// hold keeps a request for an archive waiting: for a moment, and until it is let
// in. It reports whether that was before who had sent it was gone.
func (s *source) hold(r *http.Request) bool {
	archive, err := strconv.ParseInt(path.Base(r.URL.Path), 10, 64)
	if err != nil {
		return true
	}
	for {
		s.mu.Lock()
		admitted, working := archive <= s.admitted, s.working
		select {
		case <-working:
		default:
			close(working)
		}
		s.mu.Unlock()
		select {
		case <-time.After(time.Millisecond):
		case <-r.Context().Done():
			return false
		}
		if admitted {
			return true
		}
	}
}

// inTimeOrder is the order of both feeds' events, by its definition: again and
// again the feed whose next event has the smallest time, of those the one with
// the smallest id.
func (s *source) inTimeOrder(t *testing.T) (lines []string) {
	t.Helper()
	type queue struct {
		name, id string
		events   []event.Placed
	}
	var queues []*queue
	for _, name := range s.names {
		f, err := s.log.Feed(t.Context(), name)
		must.OK(t, err)
		queues = append(queues, &queue{name, f.ID, storetest.Read(t, s.log, name)})
	}
	for {
		queues = slices.DeleteFunc(queues, func(q *queue) bool { return len(q.events) == 0 })
		if len(queues) == 0 {
			return lines
		}
		slices.SortFunc(queues, func(a, b *queue) int {
			if order := a.events[0].Time.Compare(b.events[0].Time); order != 0 {
				return order
			}
			return strings.Compare(a.id, b.id)
		})
		next := queues[0]
		lines = append(lines, fmt.Sprint(next.name, " ", next.events[0].Position))
		next.events = next.events[1:]
	}
}
