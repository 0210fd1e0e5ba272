package fetch_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// roundTrip is a server without a network, for the clock of synctest.
type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	response := f(r)
	response.Request = r
	return response, nil
}

func answer(status int, header http.Header) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("<feed/>"))}
}

// TestServerIsLeftAloneForAsLongAsItAsks: RFC 9110 section 10.2.3, as far as
// patience goes and no longer than the maximum.
func TestServerIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	t.Parallel()
	const date = "Mon, 02 Jan 2006 15:04:05 GMT"
	for _, test := range []struct {
		status       int
		value, clock string // clock: the server's own
		patience     time.Duration
		least, most  time.Duration // between the first request and the second
	}{
		{429, "7", "", time.Hour, 7 * time.Second, 8 * time.Second},
		{503, " 120 ", "", time.Hour, 2 * time.Minute, 133 * time.Second},
		{500, "7", "", time.Hour, 7 * time.Second, 8 * time.Second},
		{429, "7", "", 2 * time.Second, 2 * time.Second, 2 * time.Second},
		{503, "999999999999999999999", "", -1, fetch.MaxRetryAfter, fetch.MaxRetryAfter * 12 / 10},
		{503, "86400", "", -1, fetch.MaxRetryAfter, fetch.MaxRetryAfter * 12 / 10},
		{503, "Mon, 02 Jan 2006 15:05:05 GMT", date, time.Hour, time.Minute, 67 * time.Second},
		{503, "Mon, 02 Jan 2006 15:03:05 GMT", date, time.Hour, 0, time.Second},
		{503, "Monday, 02-Jan-06 15:05:05 GMT", date, time.Hour, time.Minute, 67 * time.Second}, // RFC 850, obsolete
		{503, "Mon Jan  2 15:05:05 2006", date, time.Hour, time.Minute, 67 * time.Second},       // asctime, too
		{503, "Sat, 01 Jan 2000 00:00:30 GMT", "", time.Hour, 29 * time.Second, 34 * time.Second},
		{503, "-5", "", time.Hour, 0, time.Second},
		{503, "soon", "", time.Hour, 0, time.Second},
		{503, "", "", time.Hour, 0, time.Second},
	} {
		t.Run(fmt.Sprint(test.status, " ", test.value, " ", test.patience), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // whose clock begins with the year 2000
				var asked []time.Time
				client := newClient()
				client.Patience = test.patience
				client.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) *http.Response {
					if asked = append(asked, time.Now()); len(asked) == 1 {
						return answer(test.status, http.Header{"Retry-After": {test.value}, "Date": {test.clock}})
					}
					return answer(http.StatusOK, http.Header{})
				})}
				_, err := client.Get(t.Context(), parse(t, "http://feeds.test/feeds/f"))
				must.OK(t, err)
				if waited := asked[1].Sub(asked[0]); waited < test.least || waited > test.most {
					t.Errorf("waited for %s, want %s to %s", waited, test.least, test.most)
				}
			})
		})
	}
}

// TestPatienceEnds: the last try is made when it does, and its error returned.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests, started := 0, time.Now()
		client := newClient()
		client.Patience = time.Minute
		client.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) *http.Response {
			requests++
			return answer(http.StatusBadGateway, http.Header{})
		})}
		_, err := client.Get(t.Context(), parse(t, "http://feeds.test/feeds/f"))
		const want = "gave up: http://feeds.test/feeds/f: server answered 502 Bad Gateway"
		if !errors.Is(err, fetch.ErrGaveUp) || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if took := time.Since(started); took != time.Minute || requests < 12 || requests > 60 {
			t.Errorf("%d requests in %s", requests, took)
		}
	})
}

// TestWhatWillNotPassIsAnErrorAtOnce: and what may is tried again.
func TestWhatWillNotPassIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	for status, passes := range map[int]bool{
		400: false, 401: false, 402: false, 403: false, 404: false, 405: false, 406: false, 407: false, 410: false, 414: false,
		418: false, 421: false, 426: false, 431: false, 451: false, 204: false, 206: false, 300: false,
		408: true, 425: true, 429: true, 500: true, 502: true, 503: true, 504: true, 520: true,
	} {
		var requests atomic.Int64
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if requests.Add(1) == 1 {
				w.WriteHeader(status)
			}
		})
		_, err := newClient().Get(t.Context(), parse(t, s.URL))
		if passes != (err == nil) || passes != (requests.Load() == 2) {
			t.Errorf("status %d: %d requests, %v", status, requests.Load(), err)
		}
	}
}
