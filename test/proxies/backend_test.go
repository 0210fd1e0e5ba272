//go:build unix

package proxies_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// backend is a real server that remembers what reached it.
type backend struct {
	*httptest.Server
	log *store.Log

	mu   sync.Mutex
	seen []*exchange
}

// exchange is one request as the server saw it, and what it answered once it has.
type exchange struct {
	method, path  string
	request       http.Header
	status, bytes int
}

// start starts a server with a feed "f" of 250 events, 100 a page: page 1 is final, page 2 is the
// newest archive, and page 3 does not exist yet. It knows of what grow adds at once.
func start(t *testing.T) *backend {
	t.Helper()
	return startWith(t, func(l *store.Log) *httptest.Server { return servertest.Serve(t, l, trustProxies(t)) })
}

// trustProxies lets the server believe what a proxy on this machine says.
func trustProxies(t *testing.T) func(*server.Config) {
	t.Helper()
	trusted, err := forwarded.ParseTrusted("127.0.0.1")
	must.OK(t, err)
	return func(c *server.Config) { c.Origin.Trusted = trusted }
}

// startLive is start with a server as it runs in production, that finds by itself what is appended.
func startLive(t *testing.T) *backend {
	t.Helper()
	return startWith(t, func(l *store.Log) *httptest.Server { return servertest.Publish(t, l) })
}

func startWith(t *testing.T, serve func(*store.Log) *httptest.Server) *backend {
	t.Helper()
	o := &backend{log: storetest.Open(t, storetest.Databases["sqlite"](t))}
	storetest.Create(t, o.log, "f", 100)
	o.grow(t, 1, 250)
	o.Server = serve(o.log)
	o.Config.Handler = o.remember(o.Config.Handler)
	return o
}

// remember notes each request as it comes, and what it was answered.
func (o *backend) remember(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Headers may be changed on the way.
		e := &exchange{method: r.Method, path: r.URL.RequestURI(), request: r.Header.Clone()}
		o.mu.Lock()
		o.seen = append(o.seen, e)
		o.mu.Unlock()
		counter := &counter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			e.status, e.bytes = counter.status, counter.bytes
		}()
		handler.ServeHTTP(counter, r)
	})
}

// grow appends events, gives them their positions and seals the pages that are full.
func (o *backend) grow(t *testing.T, first, last int) {
	t.Helper()
	storetest.Append(t, o.log, "f", storetest.Events(first, last))
	storetest.Drain(t, o.log, "f")
}

// archive is the path of an archive in the feed's present epoch.
func (o *backend) archive(t *testing.T, number int64) string {
	t.Helper()
	f, err := o.log.Feed(t.Context(), "f")
	must.OK(t, err)
	return feed.ArchivePath("f", feed.Page{Epoch: f.Epoch(), Number: number})
}

// requests returns what reached the server for a path so far.
func (o *backend) requests(path string) (matching []exchange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.seen {
		if e.path == path {
			matching = append(matching, *e)
		}
	}
	return matching
}

// counter notes status and length of an answer.
type counter struct {
	http.ResponseWriter
	status, bytes int
}

func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += n
	return n, err
}

// Unwrap lets a stream be flushed.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// behind runs a test behind each proxy, with a server of its own.
func behind(t *testing.T, test func(t *testing.T, o *backend, proxy string)) {
	t.Helper()
	behindThe(t, start, test)
}

// behindThe is behind, with the server that start starts.
func behindThe(t *testing.T, start func(*testing.T) *backend, test func(t *testing.T, o *backend, proxy string)) {
	t.Helper()
	t.Parallel()
	for name, run := range testproxy.Proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := start(t)
			test(t, o, run(t, o.URL))
		})
	}
}

func createFeed(t *testing.T, o *backend, name string) {
	t.Helper()
	storetest.Create(t, o.log, name, 100)
}

func newEpoch(t *testing.T, o *backend) {
	t.Helper()
	must.OK(t, o.log.NewEpoch(t.Context(), "f", "test"))
	storetest.Drain(t, o.log, "f")
}
