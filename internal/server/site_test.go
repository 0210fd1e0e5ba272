package server_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

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
	if missing, _ := ask(t, http.MethodGet, server.URL+"/feeds/none.atom", nil); missing.StatusCode != http.StatusNotFound {
		t.Errorf("no such feed: %d", missing.StatusCode)
	}
}
