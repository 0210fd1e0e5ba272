// Package servertest runs the server in tests.
package servertest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/eventfeed/eventfeed/internal/live"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/storetest"
)

// Handler returns the server of a log's feeds. It knows at each request what
// the log holds at that moment, so that a test need not wait for it.
func Handler(t testing.TB, l *store.Log, change ...func(*server.Config)) http.Handler {
	t.Helper()
	feeds, handler := open(t, l, change)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A log that cannot be read is the server's business.
		_ = feeds.Look(r.Context())
		handler.ServeHTTP(w, r)
	})
}

// Serve serves a log's feeds until the end of the test, see [Handler].
func Serve(t testing.TB, l *store.Log, change ...func(*server.Config)) *httptest.Server {
	t.Helper()
	web := httptest.NewServer(Handler(t, l, change...))
	t.Cleanup(web.Close)
	return web
}

// Publish is [Serve] of a server as it runs in production, that also gives
// events their positions and seals pages.
func Publish(t testing.TB, l *store.Log, change ...func(*server.Config)) *httptest.Server {
	t.Helper()
	feeds, handler := open(t, l, change)
	run(t, func(ctx context.Context) error {
		return publish.Run(ctx, publish.Config{Log: l, Changed: feeds.Hint})
	})
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	return web
}

func open(t testing.TB, l *store.Log, change []func(*server.Config)) (*live.Feeds, *server.Server) {
	t.Helper()
	feeds, err := live.Open(t.Context(), l, slog.New(slog.DiscardHandler))
	storetest.Must(t, err)
	run(t, feeds.Run)
	config := server.Config{Log: l, Feeds: feeds}
	for _, f := range change {
		f(&config)
	}
	handler := server.New(config)
	t.Cleanup(handler.Release)
	return feeds, handler
}

// run runs a loop until the end of the test.
func run(t testing.TB, loop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- loop(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
