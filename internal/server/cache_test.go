package server_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

var codings = []string{"identity", "gzip", "zstd"}

// history changes a feed with pages of 30 in every way, and calls look after
// each. The first page is sealed when nothing else changes.
func history(t *testing.T, l *store.Log, look func()) {
	n := 0
	for _, step := range []int{0, 1, 29, 61, 0, -1, 0, 5, 40, -1, -1, 70} {
		switch {
		case step < 0:
			must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
		case step > 0:
			storetest.Append(t, l, "f", storetest.Events(n+1, n+step))
			n += step
			_, err := l.Sequence(t.Context(), "f", 1000)
			must.OK(t, err)
			look() // before pages are sealed
		}
		storetest.Drain(t, l, "f")
		look()
	}
}

// urlsNow are all documents of a feed in all forms.
func urlsNow(t *testing.T, l *store.Log) []string {
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	urls := []string{"/", "/?format=html"}
	for _, form := range []string{"atom", "html", "rss", "json", "cloudevents"} {
		urls = append(urls, "/feeds/f?format="+form)
	}
	for number := int64(1); number <= f.Archives; number++ {
		path := feed.ArchivePath("f", feed.Page{Epoch: feed.EpochOfPage(f.Epochs, number), Number: number})
		for _, form := range []string{"atom", "html", "cloudevents"} {
			urls = append(urls, path+"?format="+form)
		}
	}
	if f.Published > 0 {
		urls = append(urls, "/feeds/f/events/1", "/feeds/f/events/1?format=cloudevents", "/feeds/f/events/1?format=html")
	}
	return urls
}

// TestEqualTagsAreEqualBytes holds that an ETag is a strong one (RFC 9110
// section 8.8.1): through all that can happen to a feed, in every form and
// coding, from two servers, the same tag at a URL means the same bytes, and no
// tag stands for two codings or forms. An Atom document that is the same keeps
// its tag.
func TestEqualTagsAreEqualBytes(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 30)
	base, err := url.Parse("https://example.org/feeds/")
	must.OK(t, err)
	rules := func(c *server.Config) { c.Origin = forwarded.Rules{Base: base} }
	one, other := servertest.Serve(t, l, rules), servertest.Serve(t, l, rules)
	bytesOf, tagOf, placeOf := map[string]string{}, map[string]string{}, map[string]string{}
	check := func(place, url, coding string, response *http.Response, body []byte) {
		tag, bytes := response.Header.Get("ETag"), coding+"\n"+string(body)
		if known, ok := bytesOf[url+tag]; ok && known != bytes {
			t.Errorf("%s as %s: tag %s stands for other bytes", url, coding, tag)
		}
		if known, ok := placeOf[tag]; ok && known != place {
			t.Errorf("tag %s is that of %s and of %s", tag, known, place)
		}
		if known, ok := tagOf[url+bytes]; ok && known != tag && strings.HasSuffix(url, "=atom") {
			t.Errorf("%s as %s: the same bytes have the tags %s and %s", url, coding, known, tag)
		}
		bytesOf[url+tag], tagOf[url+bytes], placeOf[tag] = bytes, tag, place
		if !strings.HasPrefix(tag, `"`) {
			t.Errorf("%s: tag %s is weak", url, tag)
		}
	}
	history(t, l, func() {
		for _, url := range urlsNow(t, l) {
			_, form, _ := strings.Cut(url, "?")
			for _, coding := range codings {
				for _, s := range []string{one.URL, other.URL} {
					if s == other.URL && coding != "identity" && form != "format=atom" {
						continue // one is enough, and the codings cost
					}
					response, body := do(t, "GET", s+url, "Accept-Encoding", coding)
					if response.StatusCode != 200 {
						t.Fatalf("%s: %d %s", url, response.StatusCode, body)
					}
					check(form+" "+coding, url, coding, response, body)
				}
			}
		}
	})
}

// TestAFinalArchiveNeverChanges holds RFC 8246 and RFC 5005 section 4: what was
// once sent as immutable is the same, or gone, ever after, from other servers,
// too.
func TestAFinalArchiveNeverChanges(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 30)
	var config server.Config
	servertest.Handler(t, l, func(c *server.Config) { config = *c })
	final := map[string]string{}
	history(t, l, func() {
		must.OK(t, config.Feeds.(*feedstate.Feeds).Look(t.Context()))
		s := httptest.NewServer(server.New(config)) // as after a restart, with nothing in memory
		defer s.Close()
		urls := map[string]bool{}
		for _, url := range urlsNow(t, l) {
			urls[url] = true
		}
		for key := range final {
			url, _, _ := strings.Cut(key, " ")
			urls[url] = true
		}
		for url := range urls {
			for _, coding := range codings {
				response, body := do(t, "GET", s.URL+url, "Accept-Encoding", coding)
				key := url + " " + coding
				known, wasFinal := final[key]
				got := response.Header.Get("ETag") + "\n" + string(body)
				if wasFinal && (response.StatusCode != 200 || got != known) {
					t.Errorf("%s: was final, and is %d with other bytes", key, response.StatusCode)
				}
				if response.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
					if wasFinal {
						t.Errorf("%s: was immutable, and is %q", key, response.Header.Get("Cache-Control"))
					}
					continue
				}
				if !strings.Contains(url, "/archive/") {
					t.Errorf("%s is immutable", url)
				}
				final[key] = got
			}
		}
	})
	if len(final) < 2*len(codings)*4 {
		t.Errorf("only %d final archives were seen", len(final))
	}
}

// TestVaryNamesAllThatAnAnswerDependsOn holds RFC 9110 section 12.5.5.
func TestVaryNamesAllThatAnAnswerDependsOn(t *testing.T) {
	l, s := serve(t)
	for url, want := range map[string]string{
		"/":                                 "Accept, Accept-Encoding",
		"/?format=html":                     "Accept-Encoding",
		"/feeds/f":                          "Accept, Accept-Encoding, A-IM, Prefer",
		"/feeds/f?format=rss":               "Accept-Encoding, A-IM, Prefer",
		"/feeds/f/events/7":                 "Accept, Accept-Encoding",
		"/feeds/f/events/7?format=html":     "Accept-Encoding",
		archiveURL(t, l, s, 1)[len(s.URL):]: "Accept, Accept-Encoding",
	} {
		for _, header := range [][]string{nil, {"Prefer", "wait=0"}, {"A-IM", "feed"}, {"If-None-Match", "*"}} {
			if response, _ := do(t, "GET", s.URL+url, header...); response.Header.Get("Vary") != want || len(response.Header.Values("Vary")) != 1 {
				t.Errorf("%s: %d Vary %q, want %q", url, response.StatusCode, response.Header.Values("Vary"), want)
			}
		}
	}
}

// TestVaryNamesWhatProxiesSay: RSS and JSON Feed hold absolute URLs, which
// trusted proxies have a word in.
func TestVaryNamesWhatProxiesSay(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	trusted, err := forwarded.ParseTrusted("127.0.0.0/8, ::1")
	must.OK(t, err)
	s := servertest.Serve(t, l, func(c *server.Config) { c.Origin = forwarded.Rules{Trusted: trusted} })
	for _, form := range []string{"rss", "json"} {
		for field, value := range map[string]string{
			"Forwarded": "host=other.example;proto=https", "X-Forwarded-Host": "other.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/below",
		} {
			plain, _ := do(t, "GET", s.URL+"/feeds/f?format="+form)
			response, _ := do(t, "GET", s.URL+"/feeds/f?format="+form, field, value)
			if response.Header.Get("ETag") == plain.Header.Get("ETag") || !strings.Contains(response.Header.Get("Vary")+",", " "+field+",") {
				t.Errorf("%s with %s: Vary %q", form, field, response.Header.Get("Vary"))
			}
		}
	}
	if response, _ := do(t, "GET", s.URL+"/feeds/f", "X-Forwarded-Host", "other.example"); strings.Contains(response.Header.Get("Vary"), "Forwarded") {
		t.Errorf("Atom: Vary %q", response.Header.Get("Vary"))
	}
}

// TestNothingButAbsoluteURLsHangsOnTheHost: a cache may know a server by
// several names.
func TestNothingButAbsoluteURLsHangsOnTheHost(t *testing.T) {
	l, s := serve(t)
	for _, url := range append(resources(t, l, s), s.URL+"/nothing") {
		if strings.HasSuffix(url, "=rss") || strings.HasSuffix(url, "=json") {
			continue
		}
		want, body := do(t, "GET", url)
		request, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		must.OK(t, err)
		request.Host = "other.example"
		request.Header.Set("Accept-Encoding", "identity")
		got := httptest.NewRecorder()
		s.Config.Handler.ServeHTTP(got, request)
		if got.Code != want.StatusCode || got.Body.String() != string(body) || got.Header().Get("ETag") != want.Header.Get("ETag") || strings.Contains(got.Header().Get("Link"), "other.example") {
			t.Errorf("%s: %d %v", url, got.Code, got.Header())
		}
	}
}
