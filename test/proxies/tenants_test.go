//go:build unix

package proxies_test

import (
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// tenant is someone with a token for one feed, all of whose events hold the feed's name.
type tenant struct{ feed, token string }

// Two tenants ask for all that there is, their own and the other's, many times at once, through one
// nginx and one Varnish, each alone and one behind the other.
func TestTenantsNeverGetAForeignByte(t *testing.T) {
	t.Parallel()
	chains := map[string]testproxy.Start{"nginx before varnish": func(t testing.TB, upstream string) string {
		return testproxy.Nginx(t, testproxy.Varnish(t, upstream))
	}}
	maps.Copy(chains, testproxy.Proxies)
	for name, run := range chains {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tenants := []tenant{{feed: "apples"}, {feed: "pears"}}
			o := startTenants(t, tenants)
			proxy := run(t, o.URL)
			paths := map[string][]string{} // by feed; each is its owner's alone
			for _, owner := range tenants {
				paths[owner.feed] = tenantPaths(t, o, owner.feed)
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range 20 {
						one := rand.IntN(2)
						asks, other := tenants[one], tenants[1-one]
						checkOwn(t, askAs(t, proxy, asks, paths[asks.feed]), asks, other)
						checkForeign(t, askAs(t, proxy, asks, paths[other.feed]), other)
						checkNobody(t, askAs(t, proxy, tenant{}, paths[asks.feed]), asks)
						checkOwn(t, askAs(t, proxy, asks, []string{"/"}), asks, other)
					}
				})
			}
			wg.Wait()
		})
	}
}

// startTenants starts a server on which each tenant may read one feed. It sets the tenants' tokens.
func startTenants(t *testing.T, tenants []tenant) *backend {
	t.Helper()
	var file strings.Builder
	for i, owner := range tenants {
		token, lines, err := access.NewToken(owner.feed, []string{owner.feed}, nil)
		must.OK(t, err)
		tenants[i].token = token
		file.WriteString(lines)
	}
	path := filepath.Join(t.TempDir(), "tokens.toml")
	must.OK(t, os.WriteFile(path, []byte(file.String()), 0o600))
	tokens, err := access.LoadTokens(path, nil)
	must.OK(t, err)
	o := startWith(t, func(l *store.Log) *httptest.Server {
		return servertest.Serve(t, l, func(c *server.Config) { c.Grants = tokens })
	})
	for _, owner := range tenants {
		events := storetest.Events(1, 250)
		for i := range events {
			events[i].Data = []byte(`{"of":"` + owner.feed + `"}`)
		}
		createFeed(t, o, owner.feed)
		storetest.Append(t, o.log, owner.feed, events)
		storetest.Drain(t, o.log, owner.feed)
		storetest.GiveEntities(t, o.log, owner.feed)
	}
	return o
}

func tenantPaths(t *testing.T, o *backend, name string) []string {
	t.Helper()
	f, err := o.log.Feed(t.Context(), name)
	must.OK(t, err)
	paths := []string{
		feed.ArchivePath(name, feed.Page{Epoch: f.Epoch(), Number: 1}), feed.ArchivePath(name, feed.Page{Epoch: f.Epoch(), Number: 2}),
		"/feeds/" + name + "/events/7", "/feeds/" + name + "/entities/3",
	}
	for _, form := range []string{"", "?format=rss", "?format=json", "?format=cloudevents", "?format=html"} {
		paths = append(paths, "/feeds/"+name+form)
	}
	return paths
}

// askAs asks for one of the paths, in a way that may or may not be cached.
func askAs(t *testing.T, proxy string, who tenant, paths []string) answer {
	t.Helper()
	header := []string{"Accept-Encoding", codings[rand.IntN(len(codings))]}
	if who.token != "" {
		header = append(header, "Authorization", "Bearer "+who.token)
	}
	switch rand.IntN(4) {
	case 0:
		header = append(header, "A-Im", "feed", "If-None-Match", `"x"`)
	case 1:
		header = append(header, "Prefer", "wait=1")
	}
	return do(t, "GET", proxy+paths[rand.IntN(len(paths))], header...)
}

func checkOwn(t *testing.T, a answer, own, other tenant) {
	t.Helper()
	text := a.text(t)
	if a.StatusCode != 200 || !strings.Contains(text, own.feed) || strings.Contains(text, other.feed) || !strings.HasPrefix(a.Header.Get("Cache-Control"), "private") {
		t.Errorf("%s asks for %s: %d %v %.200q", own.feed, a.Request.URL.Path, a.StatusCode, a.Header, text)
	}
}

func checkForeign(t *testing.T, a answer, owner tenant) {
	t.Helper()
	// The problem repeats the path that was asked for, and nothing else.
	if a.StatusCode != 404 || strings.Contains(a.text(t), `"of"`) || a.Header.Get("Etag") != "" {
		t.Errorf("a foreigner asks for %s of %s: %d %v", a.Request.URL.Path, owner.feed, a.StatusCode, a.Header)
	}
}

func checkNobody(t *testing.T, a answer, owner tenant) {
	t.Helper()
	if a.StatusCode != 401 || strings.Contains(a.text(t), `"of"`) || a.Header.Get("Etag") != "" {
		t.Errorf("nobody asks for %s of %s: %d %v", a.Request.URL.Path, owner.feed, a.StatusCode, a.Header)
	}
}
