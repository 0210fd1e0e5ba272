package fetch_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := fetch.ParseURL(raw)
	must.OK(t, err)
	return u
}

// newClient returns a client with little patience.
func newClient() *fetch.Client {
	return &fetch.Client{HTTP: fetch.NewHTTPClient(2, 0), Logger: slog.New(slog.DiscardHandler), Patience: 20 * time.Second}
}

func serve(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

func serveTLS(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	return s
}
