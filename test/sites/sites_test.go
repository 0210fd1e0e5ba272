//go:build unix

// Package sites_test reads sites from the servers that publish them, with no process of eventfeed on the
// other side.
package sites_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/bucket"
	"github.com/eventfeed/eventfeed/internal/site/folder"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testbucket"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

const pageSize = 20

// place is a site that is served somewhere.
type place struct {
	t     *testing.T
	log   *store.Log
	store site.Store
	at    int // last position
}

func newPlace(t *testing.T, s site.Store) *place {
	t.Helper()
	p := &place{t: t, log: storetest.Open(t, testdb.SQLite(t)), store: s}
	storetest.Create(t, p.log, "orders", pageSize)
	return p
}

// grow appends events up to a number, and exports them.
func (p *place) grow(to int) {
	p.t.Helper()
	storetest.Append(p.t, p.log, "orders", storetest.Events(p.at+1, to))
	storetest.Drain(p.t, p.log, "orders")
	p.at = to
	must.OK(p.t, site.Run(p.t.Context(), site.Config{Log: p.log, Store: p.store, Logger: slog.New(slog.DiscardHandler)}))
}

// ids returns the ids of the log's events, oldest first.
func (p *place) ids() (ids []string) {
	p.t.Helper()
	for _, e := range storetest.Read(p.t, p.log, "orders") {
		ids = append(ids, e.ID)
	}
	return ids
}

// servers serve a site, each for a test of its own.
var servers = map[string]func(t *testing.T) (p *place, url string){
	"nginx":  func(t *testing.T) (*place, string) { return inFolder(t, testproxy.NginxSite) },
	"Caddy":  func(t *testing.T) (*place, string) { return inFolder(t, testproxy.CaddySite) },
	"python": func(t *testing.T) (*place, string) { return inFolder(t, testproxy.PythonSite) },
	"nginx behind Varnish": func(t *testing.T) (*place, string) {
		return inFolder(t, func(t testing.TB, files string) string { return testproxy.Varnish(t, testproxy.NginxSite(t, files)) })
	},
	"bucket": func(t *testing.T) (*place, string) { return inBucket(t, func(url string) string { return url }) },
}

func inFolder(t *testing.T, serve func(testing.TB, string) string) (*place, string) {
	t.Helper()
	path, err := os.MkdirTemp("", "eventfeed-site-") //nolint:usetesting // nginx runs as another user, who may not enter t.TempDir
	must.OK(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(path) })
	must.OK(t, os.Chmod(path, 0o755))
	f, err := folder.Open(path, true)
	must.OK(t, err)
	return newPlace(t, f), serve(t, path)
}

func inBucket(t *testing.T, serve func(url string) string) (*place, string) {
	t.Helper()
	server := testbucket.Start(t)
	name := server.Bucket(t)
	server.Publish(t, name)
	b, err := bucket.Open(fmt.Sprintf("s3://%s/shop?endpoint=http://%s&region=us-east-1", name, server.Address()), bucket.Options{Public: true})
	must.OK(t, err)
	return newPlace(t, b), serve("http://" + server.Address() + "/" + name + "/shop")
}

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": testbucket.AccessKey, "AWS_SECRET_ACCESS_KEY": testbucket.SecretKey} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func TestASiteFillsADatabaseAndKeepsItUpToDate(t *testing.T) {
	t.Parallel()
	for name, serve := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, url := serve(t)
			p.grow(30*pageSize + 7)
			file := filepath.Join(t.TempDir(), "new.db")
			from := url + "/feeds/orders.atom"
			must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{from}, Into: seedsqlite.Open(file).Inbox()}))
			wantEvents(t, file, p)
			follow(t, p, from, file)
			wantEvents(t, file, p)
		})
	}
}

// follow lets a seeder follow the site while it grows.
func follow(t *testing.T, p *place, from, file string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reached, ended := make(chan int64, 1000), make(chan error, 1)
	go func() {
		ended <- seed.Run(ctx, seed.Config{From: []string{from}, Into: seedsqlite.Open(file).Inbox(), Follow: true, Progress: func(now seed.Progress) {
			for _, f := range now.Feeds {
				select {
				case reached <- f.Position:
				default:
				}
			}
		}})
	}()
	for _, more := range []int{1, 3*pageSize + 2, 1} {
		p.grow(p.at + more)
		for at := int64(0); at < int64(p.at); {
			select {
			case at = <-reached:
			case err := <-ended:
				t.Fatalf("it ended at position %d of %d: %v", at, p.at, err)
			}
		}
	}
	stop()
	must.OK(t, <-ended)
}

// wantEvents wants a database to have the events of the log, in order.
func wantEvents(t *testing.T, file string, p *place) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), "SELECT id FROM eventfeed_inbox_events ORDER BY position")
	must.OK(t, err)
	defer func() { _ = rows.Close() }()
	var ids []string
	for rows.Next() {
		var id string
		must.OK(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	must.OK(t, rows.Err())
	if want := p.ids(); strings.Join(ids, " ") != strings.Join(want, " ") {
		t.Errorf("%d events, and the log has %d", len(ids), len(want))
	}
}

func TestAnyReaderOfRFC5005WalksASite(t *testing.T) {
	t.Parallel()
	for name, serve := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "bucket" {
				t.Skip("Python's urllib does not decompress: a bucket for such readers is exported with --coding identity")
			}
			p, url := serve(t)
			p.grow(7*pageSize + 7)
			out, err := exec.CommandContext(t.Context(), need.Tool(t, "python3"), "walk.py", url+"/feeds/orders.atom").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if want := strings.Join(p.ids(), "\n") + "\n"; string(out) != want {
				t.Errorf("it has read\n%s\nwant\n%s", out, want)
			}
		})
	}
}

func get(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must.OK(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	must.OK(t, err)
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	must.OK(t, response.Body.Close())
	return response, string(body)
}

func TestAWebServerTellsCachesHowLongDocumentsLive(t *testing.T) {
	t.Parallel()
	const final, newest, gone = "public, max-age=31536000, immutable", "public, max-age=5", ""
	for _, name := range []string{"nginx", "Caddy"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, url := servers[name](t)
			p.grow(3*pageSize + 1)
			f, err := p.log.Feed(t.Context(), "orders")
			must.OK(t, err)
			archive := "/feeds/orders/archive/" + f.Epoch()
			for path, want := range map[string]string{
				archive + "/1": final, archive + "/3": newest, "/feeds/orders.atom": newest, "/feeds/orders": newest, "/feeds.xml": newest, "/": newest,
				"/.eventfeed/lock": gone, archive + "/4": gone, archive + "/1.gz": gone, "/feeds/orders/lost/" + f.Epoch() + "/1": gone,
			} {
				if want == gone {
					answer, _ := get(t, url+path)
					if keeps := answer.Header.Get("Cache-Control"); answer.StatusCode != http.StatusNotFound || keeps != "" && keeps != "no-store" {
						t.Errorf("%s: %d, Cache-Control %q", path, answer.StatusCode, keeps)
					}
					continue
				}
				plain, body := get(t, url+path, "Accept-Encoding", "identity")
				kind := "application/atom+xml"
				if path == "/" || path == "/feeds.xml" {
					kind = "application/atomsvc+xml"
				}
				for header, value := range map[string]string{"Cache-Control": want, "Content-Type": kind} {
					if got := plain.Header.Get(header); plain.StatusCode != http.StatusOK || got != value {
						t.Errorf("%s: %d, %s %q, want %q", path, plain.StatusCode, header, got, value)
					}
				}
				unpacked, same := get(t, url+path) // Go's client asks for gzip, and decompresses
				if unpacked.Uncompressed != (want == final) || same != body {
					t.Errorf("%s: compressed %t, %d bytes, and %d without", path, unpacked.Uncompressed, len(same), len(body))
				}
				tag := plain.Header.Get("Etag")
				if again, _ := get(t, url+path, "Accept-Encoding", "identity", "If-None-Match", tag); tag == "" || again.StatusCode != http.StatusNotModified {
					t.Errorf("%s: tag %q, and then %d", path, tag, again.StatusCode)
				}
			}
		})
	}
}
