package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// patience is far longer than anything here takes.
const patience = time.Minute

// deaf is a log whose changes nobody tells, as behind a pooler.
type deaf struct{ store.Backend }

func (deaf) Watch(context.Context, func(string)) error { return errors.New("cannot be watched") }

// TestAServerThatIsAskedForWhatItDoesNotKnowLooksInTheDatabase has two servers on
// one database behind one address: the client has learnt from the first one what
// it asks the second one for, which would know by itself a second later.
func TestAServerThatIsAskedForWhatItDoesNotKnowLooksInTheDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		storetest.Create(t, l, "f", 10)
		one := servertest.Serve(t, l)
		other := servertest.Run(t, store.New(deaf{storetest.Open(t, url)}), func(c *server.Config) { c.AllowAppend = true })
		n := 0
		grow := func(events int) *store.Feed {
			storetest.Append(t, l, "f", storetest.Events(n+1, n+events))
			n += events
			storetest.Drain(t, l, "f")
			f, err := l.Feed(t.Context(), "f")
			must.OK(t, err)
			return &f
		}
		tag := func(path string) string {
			response, _ := do(t, "GET", one.URL+path)
			return response.Header.Get("ETag")
		}
		archive := func(f *store.Feed) string {
			return feed.ArchivePath("f", feed.Page{Epoch: f.Epoch(), Number: f.Archives})
		}
		for name, test := range map[string]func() (method, path string, header []string, status int){
			"an archive": func() (string, string, []string, int) {
				return "GET", archive(grow(10)), nil, 200
			},
			"an epoch": func() (string, string, []string, int) {
				must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
				return "GET", archive(grow(10)), nil, 200
			},
			"an archive of an epoch that is over": func() (string, string, []string, int) {
				path := archive(grow(10))
				do(t, "GET", other.URL+path)
				must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
				return "GET", archive(grow(1)), nil, 200
			},
			"a feed": func() (string, string, []string, int) {
				storetest.Create(t, l, "new", 10)
				return "GET", "/feeds/new", nil, 200
			},
			"a feed to append to": func() (string, string, []string, int) {
				storetest.Create(t, l, "taken", 10)
				return "POST", "/feeds/taken", []string{"Content-Type", "application/cloudevents-batch+json"}, 200
			},
			"a document that the client has": func() (string, string, []string, int) {
				grow(1)
				return "GET", "/feeds/f", []string{"If-None-Match", tag("/feeds/f")}, 304
			},
			"a document that the client waits with": func() (string, string, []string, int) {
				grow(1)
				return "GET", "/feeds/f", []string{"If-None-Match", tag("/feeds/f"), "Prefer", "wait=1"}, 304
			},
			"a document that differs in its archives": func() (string, string, []string, int) {
				storetest.Append(t, l, "f", storetest.Events(n+1, n+20-n%10))
				n += 20 - n%10
				_, err := l.Sequence(t.Context(), "f", 1000)
				must.OK(t, err)
				do(t, "GET", other.URL+"/feeds/f", "Cache-Control", "no-cache")
				storetest.Drain(t, l, "f")
				return "GET", "/feeds/f", []string{"If-None-Match", tag("/feeds/f")}, 304
			},
			"a document that must not have changed": func() (string, string, []string, int) {
				grow(1)
				return "GET", "/feeds/f", []string{"If-Match", tag("/feeds/f")}, 200
			},
			"the present document": func() (string, string, []string, int) {
				grow(1)
				return "GET", "/feeds/f", []string{"Cache-Control", "max-age=3, No-Cache", "If-Match", tag("/feeds/f")}, 200
			},
			"the present list of feeds": func() (string, string, []string, int) {
				storetest.Create(t, l, "listed", 10)
				return "GET", "/", []string{"Pragma", "no-cache", "If-Match", tag("/")}, 200
			},
			"a list of feeds that the client has": func() (string, string, []string, int) {
				storetest.Create(t, l, "known", 10)
				return "GET", "/", []string{"If-None-Match", tag("/")}, 304
			},
			"an event": func() (string, string, []string, int) {
				grow(1)
				return "GET", "/feeds/f/events/" + storetest.Events(n, n)[0].ID, nil, 200
			},
		} {
			method, path, header, status := test()
			var response *http.Response
			if method == "POST" {
				response, _ = post(t, other.URL+path, "[]", header...)
			} else {
				response, _ = do(t, method, other.URL+path, header...)
			}
			if response.StatusCode != status {
				t.Errorf("%s: %d %v", name, response.StatusCode, response.Header)
			}
		}
		grow(1)
		stream := openStream(t, other.URL+"/feeds/f/stream", "Last-Event-ID", storetest.Events(n, n)[0].ID)
		grow(1)
		if got := messages(t, stream.Body, 1); got[0].id != storetest.Events(n, n)[0].ID {
			t.Errorf("a stream goes on with %+v, which the client has seen", got[0])
		}
	})
}

// TestAServerThatIsCutOffSaysSo freezes the connections to the database: they
// neither answer nor end.
func TestAServerThatIsCutOffSaysSo(t *testing.T) {
	t.Parallel()
	direct := storetest.Databases["postgres"](t)
	l := storetest.Open(t, direct)
	f := storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 25))
	storetest.Drain(t, l, "f")
	address, err := url.Parse(direct)
	must.OK(t, err)
	proxy := testproxy.NewFaulty(t, address.Host)
	address.Host = proxy.Address()
	var feeds server.Feeds
	s := servertest.Run(t, storetest.Open(t, address.String()), func(c *server.Config) { feeds = c.Feeds })
	page := func(number int64) string {
		return s.URL + feed.ArchivePath("f", feed.Page{Epoch: f.Epoch(), Number: number})
	}
	have, _ := do(t, "GET", s.URL+"/feeds/f")
	do(t, "GET", page(1))
	if have.Header.Get("Age") != "" || have.Header.Get("Cache-Status") != "" {
		t.Errorf("a server with its database says %v", have.Header)
	}

	proxy.Add("timeout", map[string]int{"timeout": 0})
	await(t, "the server notices", func() bool { _, is := feeds.CutOff(); return is })
	for name, test := range map[string]struct {
		url    string
		header []string
		status int
	}{
		"the subscription document":           {s.URL + "/feeds/f", nil, 200},
		"the same in another form":            {s.URL + "/feeds/f?format=rss", nil, 200},
		"the one that the client has":         {s.URL + "/feeds/f", []string{"If-None-Match", have.Header.Get("ETag")}, 304},
		"the same, waiting for the next one":  {s.URL + "/feeds/f", []string{"If-None-Match", have.Header.Get("ETag"), "Prefer", "wait=50"}, 304},
		"an archive in memory":                {page(1), nil, 200},
		"an archive that is not in memory":    {page(2), nil, 503},
		"an archive that it does not know":    {page(3), nil, 503},
		"a feed that it does not know":        {s.URL + "/feeds/other", nil, 503},
		"a name that no feed has":             {s.URL + "/feeds/Other", nil, 404},
		"an event":                            {s.URL + "/feeds/f/events/7", nil, 503},
		"the present subscription document":   {s.URL + "/feeds/f", []string{"Cache-Control", "no-cache"}, 503},
		"the same, as HTTP/1.0 asks for it":   {s.URL + "/feeds/f", []string{"Pragma", "no-cache"}, 503},
		"an archive, as it is at present":     {page(1), []string{"Cache-Control", "no-cache"}, 503},
		"a version that it does not know yet": {s.URL + "/feeds/f", []string{"If-None-Match", strings.Replace(have.Header.Get("ETag"), `"25-`, `"26-`, 1)}, 503},
	} {
		began := time.Now()
		response, body := do(t, "GET", test.url, test.header...)
		if response.StatusCode != test.status {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
		switch h := response.Header; test.status {
		case 503:
			if h.Get("Retry-After") == "" || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: %v", name, h)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("%s: the answer took %v", name, took)
			}
		case 200, 304:
			if wait := h.Get("Preference-Applied"); wait != "" && wait != "wait=5" {
				t.Errorf("%s: %s", name, wait)
			}
			if len(h.Get("Age")) == 0 || h.Get("Age") < "1" || !strings.HasPrefix(h.Get("Cache-Status"), "feedserver; hit; ttl=-") {
				t.Errorf("%s: Age %q, Cache-Status %q", name, h.Get("Age"), h.Get("Cache-Status"))
			}
		}
	}

	proxy.Remove("timeout")
	await(t, "the server is back", func() bool {
		response, _ := do(t, "GET", s.URL+"/feeds/f", "Cache-Control", "no-cache")
		return response.StatusCode == 200 && response.Header.Get("Age") == ""
	})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
