package server_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/folder"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// A reader, or a CDN, may go from a site to the server and back at any document.
func TestTheServerHasTheBytesOfASiteAtItsPaths(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "orders", 5)
		storetest.Append(t, l, "orders", storetest.Events(1, 23))
		storetest.Drain(t, l, "orders")
		path := t.TempDir()
		f, err := folder.Open(path, true)
		must.OK(t, err)
		e := site.Exporter{Log: l, Store: f, Feed: "orders", Logger: slog.New(slog.DiscardHandler)}
		_, err = e.Step(t.Context())
		must.OK(t, err)
		server := servertest.Serve(t, l)
		names, err := filepath.Glob(filepath.Join(path, "feeds", "*", "archive", "*", "*"))
		must.OK(t, err)
		names = append(names, filepath.Join(path, "feeds", "orders.atom"))
		compared := 0
		for _, name := range names {
			if strings.HasSuffix(name, ".gz") {
				continue
			}
			key, err := filepath.Rel(path, name)
			must.OK(t, err)
			stored, err := f.Get(t.Context(), filepath.ToSlash(key))
			must.OK(t, err)
			if _, body := ask(t, http.MethodGet, server.URL+"/"+filepath.ToSlash(key), nil); !bytes.Equal(body, stored.Body) {
				t.Errorf("%s differs:\n%s\nand on the site\n%s", key, body, stored.Body)
			}
			compared++
		}
		if compared != 5 {
			t.Errorf("%d documents were compared, want 4 archives and the subscription document", compared)
		}
	})
}

func TestTheDocumentOfASiteIsAtomWhateverTheClientAccepts(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "orders", 5)
	storetest.Append(t, l, "orders", storetest.Events(1, 7))
	storetest.Drain(t, l, "orders")
	server := servertest.Serve(t, l)
	url := server.URL + "/feeds/orders.atom"
	for _, accept := range []string{"*/*", "text/html", "application/json"} {
		got, body := ask(t, http.MethodGet, url, http.Header{"Accept": {accept}})
		if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "application/atom+xml" || !bytes.Contains(body, []byte(`<link rel="self" href="orders.atom"/>`)) {
			t.Errorf("Accept %q: %d %s", accept, got.StatusCode, got.Header.Get("Content-Type"))
		}
		if vary := got.Header.Get("Vary"); strings.Contains(vary, "Accept,") {
			t.Errorf("Vary %q", vary)
		}
	}
	first, _ := ask(t, http.MethodGet, url, nil)
	tag := first.Header.Get("Etag")
	if again, _ := ask(t, http.MethodGet, url, http.Header{"If-None-Match": {tag}}); again.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %d", again.StatusCode)
	}
	storetest.Append(t, l, "orders", storetest.Events(8, 9))
	storetest.Drain(t, l, "orders")
	delta, body := ask(t, http.MethodGet, url, http.Header{"If-None-Match": {tag}, "A-Im": {"feed"}, "Cache-Control": {"no-cache"}})
	if delta.StatusCode != http.StatusIMUsed || bytes.Count(body, []byte("<entry>")) != 2 || !bytes.Contains(body, []byte(`href="orders.atom"`)) {
		t.Errorf("delta: %d\n%s", delta.StatusCode, body)
	}
	for _, path := range []string{"/feeds/none.atom", "/feeds/.atom", "/feeds/orders.atom.atom", "/feeds/orders.atom/", "/feeds/orders.atom/types", "/feeds/orders.atom/stream"} {
		missing, body := ask(t, http.MethodGet, server.URL+path, nil)
		if missing.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, missing.StatusCode)
		}
		checkProblem(t, missing, body)
	}
}

func TestTheDocumentOfASiteIgnoresTheQuery(t *testing.T) {
	_, s := serve(t)
	want, body := do(t, http.MethodGet, s.URL+"/feeds/f.atom")
	for _, query := range []string{"?format=atom", "?format=html", "?format=x", "?before=7", "?%zz"} {
		got, same := do(t, http.MethodGet, s.URL+"/feeds/f.atom"+query)
		if got.StatusCode != http.StatusOK || !bytes.Equal(same, body) || got.Header.Get("Etag") != want.Header.Get("Etag") {
			t.Errorf("%s: %d %v", query, got.StatusCode, got.Header)
		}
	}
}

// A reader may go on at the other URL of a feed with the ETag that it has: its delta is right, and it never
// gets 304 for a document with another self link.
func TestETagsOfAFeedAreUnderstoodAtBothOfItsURLs(t *testing.T) {
	l, s := serve(t)
	urls := []string{s.URL + "/feeds/f", s.URL + "/feeds/f.atom"}
	var tags []string
	for _, url := range urls {
		have, _ := do(t, http.MethodGet, url)
		tags = append(tags, have.Header.Get("Etag"))
	}
	for i, url := range urls {
		if got, _ := do(t, http.MethodGet, url, "If-None-Match", tags[1-i]); got.StatusCode != http.StatusOK {
			t.Errorf("%s with the tag of the other URL: %d", url, got.StatusCode)
		}
	}
	storetest.Append(t, l, "f", storetest.Events(251, 253))
	storetest.Drain(t, l, "f")
	for i, url := range urls {
		delta, body := do(t, http.MethodGet, url, "If-None-Match", tags[1-i], "A-IM", "feed", "Cache-Control", "no-cache")
		d, err := feed.Decode(body)
		must.OK(t, err)
		if delta.StatusCode != http.StatusIMUsed || d.First != 251 || d.Last != 253 || d.Site != (i == 1) {
			t.Errorf("%s: %d, positions %d to %d, site %t", url, delta.StatusCode, d.First, d.Last, d.Site)
		}
	}
}

func TestAReaderWaitsAtTheURLOfASite(t *testing.T) {
	list := &readers.List{}
	l, s := publish(t, func(c *server.Config) { c.Readers = list })
	url := s.URL + "/feeds/f.atom"
	have, _ := do(t, http.MethodGet, url)
	answered := make(chan *http.Response)
	go func() {
		response, _ := do(t, http.MethodGet, url, "A-IM", "feed", "If-None-Match", have.Header.Get("Etag"), "Prefer", "wait=50")
		answered <- response
	}()
	untilShown(t, list, "address 127.0.0.1 at 250, 1 wait\n")
	storetest.Append(t, l, "f", storetest.Events(251, 251))
	if response := <-answered; response.StatusCode != http.StatusIMUsed || response.Header.Get("Preference-Applied") != "wait=50" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestTheURLOfASiteHasTheRightsOfItsFeed(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	storetest.Create(t, l, "g", 100)
	tokens := tokensOf(t, map[string]string{"reader": `read = ["f"]`, "other": `read = ["g"]`, "writer": `append = ["f"]`})
	s := servertest.Publish(t, l, allowAppend, func(c *server.Config) { c.Grants = tokens })
	for token, want := range map[string]int{"": 401, "unknown": 401, "reader": 200, "other": 404, "writer": 404} {
		for _, path := range []string{"/feeds/f.atom", "/feeds/f"} {
			var header []string
			if token != "" {
				header = []string{"Authorization", "Bearer " + token}
			}
			got, _ := do(t, http.MethodGet, s.URL+path, header...)
			if got.StatusCode != want {
				t.Errorf("token %q: %s: %d, want %d", token, path, got.StatusCode, want)
			}
			if want == 200 && !strings.Contains(got.Header.Get("Cache-Control"), "private") {
				t.Errorf("token %q: %s: %s", token, path, got.Header.Get("Cache-Control"))
			}
		}
	}
	refused, body := post(t, s.URL+"/feeds/f.atom", cloudEvent("a1", "1"), "Content-Type", structured, "Authorization", "Bearer writer")
	if refused.StatusCode != http.StatusMethodNotAllowed || refused.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("an append: %d %v %s", refused.StatusCode, refused.Header, body)
	}
}
