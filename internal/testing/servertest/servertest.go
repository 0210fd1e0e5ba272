// Package servertest runs the server in tests.
package servertest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Handler returns the server of a log's feeds. It knows at each request what
// the log holds at that moment, so that a test need not wait for it.
func Handler(t testing.TB, l *store.Log, change ...func(*server.Config)) http.Handler {
	t.Helper()
	handler, _ := Start(t, l, change...)
	return handler
}

// Start is [Handler] for a log that is closed before the end of the test: stop
// lets go of it.
func Start(t testing.TB, l *store.Log, change ...func(*server.Config)) (handler http.Handler, stop func()) {
	t.Helper()
	feeds, real, stop := open(t, l, change)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A log that cannot be read is the server's business; connections to one
		// that has been started again are not, and fail once each.
		for tries := 10; tries > 0 && feeds.Look(r.Context()) != nil; tries-- {
		}
		real.ServeHTTP(w, r)
	}), stop
}

// Serve serves a log's feeds until the end of the test, see [Handler].
func Serve(t testing.TB, l *store.Log, change ...func(*server.Config)) *httptest.Server {
	t.Helper()
	web := httptest.NewServer(Handler(t, l, change...))
	t.Cleanup(web.Close)
	return web
}

// Run serves a log's feeds until the end of the test, as a server in production
// does: from memory, which it keeps up to date by itself. It gives no positions
// and seals nothing.
func Run(t testing.TB, l *store.Log, change ...func(*server.Config)) *httptest.Server {
	t.Helper()
	_, handler, _ := open(t, l, change)
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	return web
}

// Publish is [Run] of a server that also gives events their positions and seals
// pages.
func Publish(t testing.TB, l *store.Log, change ...func(*server.Config)) *httptest.Server {
	t.Helper()
	feeds, handler, _ := open(t, l, change)
	run(t, func(ctx context.Context) error {
		return publish.Run(ctx, publish.Config{Log: l, Changed: feeds.Hint})
	})
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	return web
}

func open(t testing.TB, l *store.Log, change []func(*server.Config)) (feeds *feedstate.Feeds, handler *server.Server, stop func()) {
	t.Helper()
	feeds, err := feedstate.Open(t.Context(), l, slog.New(slog.DiscardHandler))
	must.OK(t, err)
	stop = run(t, feeds.Run)
	config := server.Config{Log: l, Feeds: feeds}
	for _, f := range change {
		f(&config)
	}
	handler = server.New(config)
	t.Cleanup(handler.Release)
	return feeds, handler, stop
}

// run runs a loop until stop, or the end of the test.
func run(t testing.TB, loop func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- loop(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}
