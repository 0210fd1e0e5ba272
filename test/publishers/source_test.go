//go:build unix

package publishers_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// patience is how long something may take on a machine that runs all tests at once.
const patience = 3 * time.Minute

// pageSize is that of the feed.
const pageSize = 200

// source is a feed of random events.
type source struct {
	log      *store.Log
	from     string // URL of the feed
	random   *rand.Rand
	appended int
}

// serve serves a log as the feed.
func (s *source) serve(t *testing.T, log *store.Log) {
	t.Helper()
	s.log = log
	s.from = servertest.Publish(t, log).URL + "/feeds/orders"
}

// append appends events and waits until they have positions.
func (s *source) append(t *testing.T, n int) {
	t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		s.appended++
		events[i] = s.event(s.appended)
	}
	storetest.Append(t, s.log, "orders", events)
	s.waitUntil(t, fmt.Sprintf("%d more events have positions", n), func() bool {
		pending, _, err := s.log.Work(t.Context())
		must.OK(t, err)
		return len(pending) == 0
	})
}

// event returns an event of random content.
func (s *source) event(n int) event.Event {
	e := event.Event{
		ID: fmt.Sprint(n), Source: "/shop", Type: []string{"OrderPlaced", "OrderPaid", "OrderShipped"}[s.random.IntN(3)],
		Time: time.Date(2026, 1, 1, 0, 0, n, s.random.IntN(1e6)*1000, time.UTC),
	}
	if s.random.IntN(4) > 0 {
		e.Subject = fmt.Sprintf("order %d ü", s.random.IntN(1000))
	}
	if s.random.IntN(4) == 0 {
		e.Extensions = map[string]string{"traceparent": fmt.Sprintf("00-%032x", s.random.Uint64())}
	}
	switch s.random.IntN(3) {
	case 0:
		e.DataContentType = "application/json"
		e.Data = fmt.Appendf(nil, `{ "n": %d,  "total": 1.10, "text": "%s" }`, n, strings.Repeat("é", s.random.IntN(300)))
	case 1:
		e.DataContentType = "application/octet-stream"
		e.Data = make([]byte, 1+s.random.IntN(1500))
		for i := range e.Data {
			e.Data[i] = byte(s.random.Uint32())
		}
	}
	return e
}

// waitUntil waits until something holds.
func (*source) waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
