//go:build unix

package proxies_test

import (
	"bytes"
	"database/sql"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

var entitySubjects = []string{"o-1", "a/b c"}

// appendVersions appends versions first to last of each entity. what tells one history from another.
func appendVersions(t *testing.T, l *store.Log, what string, first, last int) {
	t.Helper()
	for _, subject := range entitySubjects {
		var events []event.Event
		for n := first; n <= last; n++ {
			events = append(events, event.Event{
				ID: fmt.Sprintf("%s %s %d", what, subject, n), Source: "/test", Type: "Counted", Subject: subject,
				Time: time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC), DataContentType: "text/plain", Data: fmt.Appendf(nil, "%s %d", what, n),
			})
		}
		storetest.Append(t, l, "f", events)
	}
	storetest.Drain(t, l, "f")
}

// backUp copies a log of SQLite, and returns the URL of the copy.
func backUp(t *testing.T, database string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "backup.db")
	db, err := sql.Open("sqlite", strings.TrimPrefix(database, sqlitedb.Scheme))
	must.OK(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", to)
	must.OK(t, errors.Join(err, db.Close()))
	return sqlitedb.Scheme + to
}

// entityPaths returns the paths of all documents of the entities, as their links lead to them.
func entityPaths(t *testing.T, server string) (paths []string) {
	t.Helper()
	for _, subject := range entitySubjects {
		for path := feed.EntityPath("f", subject); path != ""; {
			paths = append(paths, path)
			var d struct {
				Links []struct {
					Rel  string `xml:"rel,attr"`
					Href string `xml:"href,attr"`
				} `xml:"link"`
			}
			must.OK(t, xml.Unmarshal(do(t, "GET", server+path).body, &d))
			base, err := url.Parse(path)
			must.OK(t, err)
			path = ""
			for _, link := range d.Links {
				if link.Rel == "prev-archive" {
					next, err := base.Parse(link.Href)
					must.OK(t, err)
					path = next.String()
				}
			}
		}
	}
	return paths
}

// TestNoURLOfAnEntityAnswersOtherBytesWhileFresh: a database is restored to before, between and after
// archives of an entity, other events follow, and a cache in front has all documents of before.
func TestNoURLOfAnEntityAnswersOtherBytesWhileFresh(t *testing.T) {
	t.Parallel()
	for _, restored := range []int{300, 700, 1200} {
		for name, run := range testproxy.Proxies {
			t.Run(fmt.Sprint("restored to version ", restored, " behind ", name), func(t *testing.T) {
				t.Parallel()
				database := testdb.SQLite(t)
				old := storetest.Open(t, database)
				storetest.CreateWithEntities(t, old, "f")
				appendVersions(t, old, "kept", 1, restored)
				backup := storetest.Open(t, backUp(t, database))
				appendVersions(t, old, "lost", restored+1, 1300)

				var handler atomic.Pointer[http.Handler]
				serve := func(l *store.Log) {
					h := servertest.Handler(t, l, trustProxies(t))
					handler.Store(&h)
				}
				serve(old)
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) }))
				t.Cleanup(server.Close)
				proxy := run(t, server.URL)

				type request struct{ path, accept, coding string }
				before := map[request]answer{}
				ask := func(base string, r request) answer {
					return do(t, "GET", base+r.path, "Accept", r.accept, "Accept-Encoding", r.coding)
				}
				for _, path := range entityPaths(t, server.URL) {
					requests := []request{{path, "application/cloudevents-batch+json", "identity"}}
					for _, coding := range codings {
						requests = append(requests, request{path, "application/atom+xml", coding})
					}
					for _, r := range requests {
						before[r] = ask(proxy, r)
						if before[r].StatusCode != http.StatusOK {
							t.Fatalf("%v: %s\n%s", r, before[r].Status, before[r].body)
						}
					}
				}

				must.OK(t, backup.NewEpoch(t.Context(), "f", "restore"))
				appendVersions(t, backup, "new", restored+1, 1600)
				serve(backup)
				gone := 0
				for r, had := range before {
					now := ask(server.URL, r)
					isFresh := strings.Contains(had.Header.Get("Cache-Control"), "max-age=60")
					switch {
					case now.StatusCode == http.StatusGone:
						gone++
						if now.Header.Get("Link") == "" {
							t.Errorf("%v: 410 says nothing of where it goes on", r)
						}
					case now.StatusCode != http.StatusOK:
						t.Errorf("%v: %s", r, now.Status)
					case isFresh && !bytes.Equal(now.body, had.body):
						t.Errorf("%v answers other bytes while the cache holds it", r)
					}
					through := ask(proxy, r)
					isKept := isFresh && now.StatusCode == http.StatusGone && bytes.Equal(through.body, had.body)
					if through.StatusCode == http.StatusOK && !bytes.Equal(through.body, now.body) && !isKept {
						t.Errorf("%v: the cache answers neither what the server does nor a document that is fresh", r)
					}
				}
				if gone == 0 {
					t.Error("no archive is gone")
				}
				for _, path := range entityPaths(t, server.URL) {
					r := request{path, "application/atom+xml", "identity"}
					if got, want := ask(proxy, r), ask(server.URL, r); !bytes.Equal(got.body, want.body) || bytes.Contains(got.body, []byte("lost ")) {
						t.Errorf("%s through the cache has events that were lost", path)
					}
				}
			})
		}
	}
}
