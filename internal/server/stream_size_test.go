package server

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// pieces notes how much is sent at once, and all of it.
type pieces struct {
	http.ResponseWriter
	largest int
	all     bytes.Buffer
}

func (p *pieces) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.all.Write(b)
}
func (p *pieces) Flush()                           {}
func (p *pieces) SetWriteDeadline(time.Time) error { return nil }

func TestStreamReadsFewLargeEventsAtATime(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	const data = 300_000
	events := storetest.Events(1, 40)
	for i := range events {
		events[i].DataContentType, events[i].Data = "text/plain", bytes.Repeat([]byte("x"), data)
	}
	storetest.Append(t, l, "f", events)
	storetest.Append(t, l, "f", storetest.Events(41, 150))
	storetest.Drain(t, l, "f")
	s := New(Config{Log: l, Feeds: runFeeds(t, l)})
	v, _, err := s.subscriptions.at(t.Context(), "f", false)
	must.OK(t, err)
	sent := &pieces{}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/feeds/f/stream", nil)
	out := &eventStream{w: sent, control: http.NewResponseController(sent)}
	for more := true; more; {
		more, err = s.sendNew(r, v, out)
		must.OK(t, err)
	}
	if n := bytes.Count(sent.all.Bytes(), []byte("id: ")); n != 150 {
		t.Errorf("%d of 150 events were sent", n)
	}
	if most := catchUpBytes + 2*data; sent.largest > most {
		t.Errorf("%d bytes were held at once, more than %d", sent.largest, most)
	}
}
