//go:build unix

package sites_test

import (
	"context"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/eventfeed/eventfeed/internal/site/folder"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// inTurn passes each request on to the next one of the edges.
func inTurn(t *testing.T, edges ...string) string {
	t.Helper()
	var requests atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		target, err := url.Parse(edges[int(requests.Add(1))%len(edges)])
		if err != nil {
			t.Error(err)
		}
		r.SetURL(target)
	}}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// copyTo makes an edge as old as the site is now.
func copyTo(t *testing.T, edge, from string) {
	t.Helper()
	must.OK(t, os.RemoveAll(filepath.Join(edge, "feeds")))
	must.OK(t, os.CopyFS(filepath.Join(edge, "feeds"), os.DirFS(filepath.Join(from, "feeds"))))
}

// Of two edges of a CDN one is behind: it lacks archives, and its subscription document is an older one.
// No reader takes that for a loss.
func TestAnEdgeThatIsBehindIsNoLoss(t *testing.T) {
	t.Parallel()
	folders := [2]string{}
	for i := range folders {
		path, err := os.MkdirTemp("", "eventfeed-site-") //nolint:usetesting // nginx runs as another user, who may not enter t.TempDir
		must.OK(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(path) })
		must.OK(t, os.Chmod(path, 0o755))
		folders[i] = path
	}
	f, err := folder.Open(folders[0], true)
	must.OK(t, err)
	p := newPlace(t, f)
	p.grow(2*pageSize + 3)
	copyTo(t, folders[1], folders[0])
	from := inTurn(t, testproxy.NginxSite(t, folders[0]), testproxy.NginxSite(t, folders[1])) + "/feeds/orders.atom"

	following, repeated := filepath.Join(t.TempDir(), "following.db"), filepath.Join(t.TempDir(), "repeated.db")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	reached, ended := make(chan int64, 1000), make(chan error, 1)
	go func() {
		ended <- seed.Run(ctx, seed.Config{From: []string{from}, Into: seedsqlite.Open(following).Inbox(), Follow: true, Progress: func(now seed.Progress) {
			for _, f := range now.Feeds {
				select {
				case reached <- f.Position:
				default:
				}
			}
		}})
	}()
	for _, more := range []int{1, pageSize, 4*pageSize + 1} {
		p.grow(p.at + more) // the other edge is as old as before
		for range 2 {
			must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{from}, Into: seedsqlite.Open(repeated).Inbox()}))
		}
		for at := int64(0); at < int64(p.at); {
			select {
			case at = <-reached:
			case err := <-ended:
				t.Fatalf("it ended at position %d of %d: %v", at, p.at, err)
			}
		}
		copyTo(t, folders[1], folders[0])
	}
	stop()
	must.OK(t, <-ended)
	wantEvents(t, following, p)
	must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{from}, Into: seedsqlite.Open(repeated).Inbox()}))
	wantEvents(t, repeated, p)
}
