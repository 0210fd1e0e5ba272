package walk_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/walk"
)

const (
	feedID  = "urn:uuid:8f6a9e0c-2f52-4c06-9c5e-0d6d1e1a7a11"
	epochID = "8f6a9e0c-2f52-4c06-9c5e-0d6d1e1a7a12"
)

// document returns the subscription document with the events from first to
// last, and its ETag.
func document(first, last int) (body []byte, etag string) {
	d := &feed.Document{
		Kind: feed.Subscription, ID: feedID, Name: "f", Title: "f", Author: "f",
		Page: 1, Epoch: epochID, Template: feed.ArchiveTemplate("f"),
		Epochs: []feed.Epoch{{ID: epochID, FirstPosition: 1, FirstPage: 1, DigestBefore: feed.FirstDigest(feedID)}},
		First:  int64(first), Last: int64(last),
	}
	chain := feed.Chain{Digest: feed.FirstDigest(feedID), Epochs: d.Epochs}
	for n, e := range storetest.Events(1, last) {
		if n+1 == first {
			d.DigestBefore = chain.Digest
		}
		hash, _ := feed.EventHash(&e, nil)
		chain.Next(hash)
		if n+1 >= first {
			d.Entries = append(d.Entries, event.Placed{Event: e, Position: int64(n + 1)})
		}
	}
	if first > last {
		d.DigestBefore = chain.Digest
	}
	d.DigestAfter = chain.Digest
	return feed.AppendDocument(nil, d), fmt.Sprintf(`"%d"`, last)
}

// send answers with a document, or with 304 if it is the one that was named.
func send(w http.ResponseWriter, r *http.Request, status, first, last int) {
	body, etag := document(first, last)
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// hold waits as the request wishes, but no longer than limit.
func hold(w http.ResponseWriter, r *http.Request, limit time.Duration) {
	wait, err := time.ParseDuration(strings.TrimPrefix(r.Header.Get("Prefer"), "wait=") + "s")
	if err != nil {
		return
	}
	wait = min(wait, limit)
	w.Header().Set("Preference-Applied", fmt.Sprintf("respond-async, Wait=%d; x=y", wait/time.Second))
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
	}
}

// inProcess lets a client reach a handler without a network, so that its time
// can be that of synctest.
type inProcess struct {
	handler  http.HandlerFunc
	requests []*http.Request
}

func (p *inProcess) RoundTrip(r *http.Request) (response *http.Response, err error) {
	p.requests = append(p.requests, r)
	defer func() {
		if recover() != nil {
			err = io.EOF
		}
	}()
	recorder := httptest.NewRecorder()
	p.handler(recorder, r)
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	response = recorder.Result()
	response.Request = r
	return response, nil
}

func (p *inProcess) count(name string) (n int) {
	for _, r := range p.requests {
		if r.Header.Get(name) != "" {
			n++
		}
	}
	return n
}

// followFor follows a handler for a while of synctest's time, as a seeder does:
// where a head does not go on from the one before it, it asks for the whole.
func followFor(t *testing.T, d time.Duration, client *http.Client, handler http.HandlerFunc, wait time.Duration) (p *inProcess, head *walk.Subscription, log string) {
	t.Helper()
	p = &inProcess{handler: handler}
	client.Transport = p
	from, err := fetch.ParseURL("http://feeds.test/feeds/f")
	must.OK(t, err)
	var logged bytes.Buffer
	c := &walk.Client{Client: &fetch.Client{HTTP: client, Logger: slog.New(slog.NewTextHandler(&logged, nil)), Patience: -1}}
	head, err = c.Subscription(t.Context(), from, "", false)
	must.OK(t, err)
	p.requests = nil
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	f := &walk.Follower{Client: c, URL: from, Interval: time.Second, Wait: wait}
	for {
		next, err := f.Next(ctx, head)
		if ctx.Err() != nil {
			return p, head, logged.String()
		}
		must.OK(t, err)
		place := walk.Place{Epoch: epochID, Position: head.Last, Digest: head.DigestAfter}
		if next.Check(place) == nil {
			head = next
		}
	}
}

// TestNoAnswerMakesABusyLoop: whatever stands between, a minute in which
// nothing happens has no more requests than seconds, or twice as many where
// each is asked again plainly.
func TestNoAnswerMakesABusyLoop(t *testing.T) {
	t.Parallel()
	asks := 0 // of the one case that counts them, at a time
	for name, test := range map[string]struct {
		handler     http.HandlerFunc
		wait        time.Duration
		least, most int
		deltas      int // requests that ask for one, at most
	}{
		"a cache answers 304 at once": {func(w http.ResponseWriter, r *http.Request) {
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 55, 61, 61},
		"a cache answers 304 at once, with a header that it has kept": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Preference-Applied", "wait=30")
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 55, 61, 61},
		"a cache has an older document": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Preference-Applied", "wait=30")
			last := 3
			if r.Header.Get("If-None-Match") != "" {
				last = 2
			}
			send(w, r, 200, 1, last)
		}, 30 * time.Second, 55, 61, 61},
		"caches have the same document under other tags": {func(w http.ResponseWriter, r *http.Request) {
			asks++
			body, _ := document(1, 3)
			w.Header().Set("Preference-Applied", "wait=30")
			w.Header().Set("ETag", fmt.Sprintf(`"%d"`, asks))
			_, _ = w.Write(body)
		}, 30 * time.Second, 55, 61, 61},
		"a document without a tag": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Preference-Applied", "wait=30")
			body, _ := document(1, 3)
			_, _ = w.Write(body)
		}, 30 * time.Second, 55, 61, 0},
		"the same delta again and again": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("A-IM") != "" {
				w.Header().Set("IM", "feed")
				w.Header().Set("ETag", `"old"`)
				w.Header().Set("Preference-Applied", "wait=30")
				body, _ := document(3, 3)
				w.WriteHeader(http.StatusIMUsed)
				_, _ = w.Write(body)
				return
			}
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 55, 61, 61},
		"a delta of another manipulation": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("A-IM") != "" {
				w.Header().Set("IM", "feed, gzip")
				send(w, r, http.StatusIMUsed, 4, 4)
				return
			}
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 55, 64, 3},
		"what is asked for is refused": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("A-IM") != "" {
				http.Error(w, "what is that?", http.StatusBadRequest)
				return
			}
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 55, 64, 3},
		"too many are waiting": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Prefer") != "" {
				http.Error(w, "too many", http.StatusServiceUnavailable)
				return
			}
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 100, 122, 61},
		"the server waits": {func(w http.ResponseWriter, r *http.Request) {
			hold(w, r, time.Minute)
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 2, 3, 3},
		"the server waits less than it is asked to": {func(w http.ResponseWriter, r *http.Request) {
			hold(w, r, 10*time.Second)
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 6, 7, 7},
		"the server waits no time at all": {func(w http.ResponseWriter, r *http.Request) {
			hold(w, r, 0)
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 55, 61, 61},
		"a proxy cuts what is held": {func(w http.ResponseWriter, r *http.Request) {
			if hold(w, r, 10*time.Second); r.Header.Get("Prefer") != "" {
				http.Error(w, "time is over", http.StatusGatewayTimeout)
				return
			}
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 10, 13, 7},
		"a connection breaks while the request is held": {func(w http.ResponseWriter, r *http.Request) {
			if hold(w, r, 10*time.Second); r.Header.Get("Prefer") != "" {
				panic(http.ErrAbortHandler)
			}
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 10, 13, 7},
		"the server waits a second": {func(w http.ResponseWriter, r *http.Request) {
			hold(w, r, time.Second)
			send(w, r, 200, 1, 3)
		}, 30 * time.Second, 59, 61, 61},
		"a cache answers 304 at once, after something new": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Preference-Applied", "wait=30")
			if r.Header.Get("If-None-Match") == "" {
				send(w, r, 200, 1, 2)
			} else {
				send(w, r, 200, 1, 3)
			}
		}, 30 * time.Second, 55, 62, 62},
		"a server that knows nothing of it has something new each time": {func(w http.ResponseWriter, r *http.Request) {
			asks++
			send(w, r, 200, 1, 3+asks)
		}, 30 * time.Second, 55, 61, 61},
		"plain polling": {func(w http.ResponseWriter, r *http.Request) {
			send(w, r, 200, 1, 3)
		}, 0, 55, 61, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asks = 0
				p, head, log := followFor(t, time.Minute, &http.Client{}, test.handler, test.wait)
				if n := len(p.requests); n < test.least || n > test.most {
					t.Errorf("%d requests in a minute, want %d to %d", n, test.least, test.most)
				}
				if n := p.count("A-IM"); n > test.deltas || n != p.count("Prefer") {
					t.Errorf("%d requests ask for a delta and %d to wait, want no more than %d", n, p.count("Prefer"), test.deltas)
				}
				if head.Last != 3 && asks == 0 || log != "" {
					t.Errorf("ended at position %d, with the log:\n%s", head.Last, log)
				}
			})
		})
	}
}

// TestWaitKeepsToTheLimitsOfTheHTTPClient, so that a held request is none that
// fails.
func TestWaitKeepsToTheLimitsOfTheHTTPClient(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]string{
		0: "wait=30", time.Hour: "wait=30", time.Minute: "wait=30", 40 * time.Second: "wait=20", 2 * time.Second: "wait=1", time.Second: "",
	} {
		t.Run(timeout.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, _, log := followFor(t, 10*time.Second, &http.Client{Timeout: timeout}, func(w http.ResponseWriter, r *http.Request) {
					hold(w, r, time.Minute)
					send(w, r, 200, 1, 3)
				}, 30*time.Second)
				if got := p.requests[0].Header.Get("Prefer"); got != want || log != "" {
					t.Errorf("Prefer: %s, want %s; the log:\n%s", got, want, log)
				}
			})
		})
	}
}

// TestEventsOfABusyFeedAreNotPacedByTheInterval: each answer that brings
// something is followed by the next request at once.
func TestEventsOfABusyFeedAreNotPacedByTheInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		position := func() int { return min(100, 1+int(time.Since(start)/(10*time.Millisecond))) }
		p, head, _ := followFor(t, 1100*time.Millisecond, &http.Client{}, func(w http.ResponseWriter, r *http.Request) {
			var have int
			_, _ = fmt.Sscanf(r.Header.Get("If-None-Match"), `"%d"`, &have)
			for position() == have && have > 0 {
				time.Sleep(time.Millisecond)
				if r.Context().Err() != nil {
					return
				}
			}
			if r.Header.Get("A-IM") == "" {
				send(w, r, 200, 1, position())
				return
			}
			w.Header().Set("IM", "Feed")
			send(w, r, http.StatusIMUsed, have+1, position())
		}, 30*time.Second)
		if head.Last != 100 || !head.Partial || head.First != 100 || len(p.requests) < 90 {
			t.Errorf("%d requests, and ended with positions %d to %d", len(p.requests), head.First, head.Last)
		}
	})
}

// TestDeltaIsForThoseWhoAsked: 226 is no answer to anyone else, nor 304 to who
// has named no document.
func TestDeltaIsForThoseWhoAsked(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusIMUsed, http.StatusNotModified, http.StatusNoContent} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("IM", "feed")
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		from, err := fetch.ParseURL(s.URL + "/feeds/f")
		must.OK(t, err)
		c := &walk.Client{Client: &fetch.Client{HTTP: s.Client(), Logger: slog.New(slog.DiscardHandler)}}
		if head, err := c.Subscription(t.Context(), from, "", false); err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("status %d: %v, %v", status, head, err)
		}
	}
}
