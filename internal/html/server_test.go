package html_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
)

// mount serves below a path, as behind a proxy that takes it away.
func mount(t *testing.T, l *store.Log) string {
	t.Helper()
	s := httptest.NewServer(http.StripPrefix("/below/here", servertest.Handler(t, l)))
	t.Cleanup(s.Close)
	return s.URL + "/below/here"
}

// restartable serves at an address that it can leave, and take again.
func restartable(t *testing.T, l *store.Log) (url string, stop, start func()) {
	t.Helper()
	handler := servertest.Handler(t, l)
	var running *http.Server
	listen := func(address string) string {
		listener, err := net.Listen("tcp", address)
		must.OK(t, err)
		s := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
		go func() { _ = s.Serve(listener) }() // until it is closed
		running = s
		return listener.Addr().String()
	}
	address := listen("127.0.0.1:0")
	stop = func() { _ = running.Close() }
	t.Cleanup(stop)
	return "http://" + address, stop, func() { listen(address) }
}
