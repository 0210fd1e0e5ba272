//go:build unix

package proxies_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
)

// startAppending is startLive with a server that takes events.
func startAppending(t *testing.T) *backend {
	t.Helper()
	return startWith(t, func(l *store.Log) *httptest.Server {
		return servertest.Publish(t, l, func(c *server.Config) { c.AllowAppend = true })
	})
}

// appendUntilPlaced posts an event until it is answered with its position, and returns that
// answer: on a busy machine the first one may be that the event is in, and has none yet (202).
func appendUntilPlaced(t *testing.T, target, body string) string {
	t.Helper()
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
		must.OK(t, err)
		r.Header.Set("Content-Type", "application/cloudevents+json")
		response, err := plain.Do(r)
		must.OK(t, err)
		text, err := io.ReadAll(response.Body)
		must.OK(t, err)
		must.OK(t, response.Body.Close())
		switch response.StatusCode {
		case http.StatusCreated:
			return string(text)
		case http.StatusAccepted:
		default:
			t.Fatalf("%d bytes: %d %.300s", len(body), response.StatusCode, text)
		}
	}
	t.Fatalf("%d bytes: still without a position", len(body))
	return ""
}

// TestEventsAreAppendedThroughTheProxy: none is kept back, cut off or answered by a cache, and what
// was appended is there for the next who asks.
func TestEventsAreAppendedThroughTheProxy(t *testing.T) {
	behindThe(t, startAppending, func(t *testing.T, _ *backend, proxy string) {
		for _, size := range []int{1, 100_000, 7 << 20} {
			id := fmt.Sprintf("e-%d", size)
			body := fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/s","type":"T","data":%q}`, id, strings.Repeat("x", size))
			var answers [2]string
			for i := range answers {
				answers[i] = appendUntilPlaced(t, proxy+"/feeds/f", body)
			}
			if answers[0] != answers[1] {
				t.Errorf("%d bytes: %s, and then %s", size, answers[0], answers[1])
			}
			if a := do(t, "GET", proxy+"/feeds/f/events/"+id, "Accept", "application/cloudevents+json"); a.StatusCode != 200 || len(a.body) < size {
				t.Errorf("%d bytes: %d", size, a.StatusCode)
			}
		}
	})
}
