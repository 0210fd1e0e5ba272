package httplimit_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
)

// serveOver serves handler over TCP under limits, and returns the address.
func serveOver(t *testing.T, config httplimit.Config, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	okOrExit(t, err)
	server := httplimit.Server(handler, config)
	served := make(chan error, 1)
	go func() { served <- server.Serve(httplimit.Listener(listener, config)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("it served until %v", err)
		}
	})
	return listener.Addr().String()
}

func dialTo(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	okOrExit(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// askOn asks for something on a connection that stays open, and returns the answer.
func askOn(t *testing.T, conn net.Conn) (*http.Response, error) {
	t.Helper()
	okOrExit(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		okOrExit(t, response.Body.Close())
	}
	return response, err
}

func TestConnectionsOfOneClientAreBounded(t *testing.T) {
	t.Parallel()
	trusted, err := forwarded.ParseTrusted("127.0.0.1")
	okOrExit(t, err)
	for name, test := range map[string]struct {
		config  httplimit.Config
		refused bool
	}{
		"a client":        {httplimit.Config{ClientConnections: 3, Plain: true}, true},
		"a trusted proxy": {httplimit.Config{ClientConnections: 3, Plain: true, Trusted: trusted}, false},
		"no bound":        {httplimit.Config{Plain: true}, false},
	} {
		address := serveOver(t, test.config, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		var conns []net.Conn
		for range 3 {
			conn := dialTo(t, address)
			conns = append(conns, conn)
			if response, err := askOn(t, conn); err != nil || response.StatusCode != http.StatusOK {
				t.Errorf("%s: %v, %v", name, response, err)
			}
		}
		response, err := askOn(t, dialTo(t, address))
		switch {
		case err != nil:
			t.Errorf("%s: the fourth: %v", name, err)
		case test.refused && (response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == ""):
			t.Errorf("%s: the fourth: %s %v", name, response.Status, response.Header)
		case !test.refused && response.StatusCode != http.StatusOK:
			t.Errorf("%s: the fourth: %s", name, response.Status)
		}
		okOrExit(t, conns[0].Close())
		for again := (*http.Response)(nil); again == nil || again.StatusCode != http.StatusOK; {
			again, _ = askOn(t, dialTo(t, address)) // once the server knows that it was closed
		}
	}
}

// A plain answer in the middle of a handshake says nothing.
func TestWithTLSAConnectionTooManyIsClosed(t *testing.T) {
	t.Parallel()
	address := serveOver(t, httplimit.Config{ClientConnections: 1}, http.NotFoundHandler())
	if _, err := askOn(t, dialTo(t, address)); err != nil {
		t.Error(err)
	}
	second := dialTo(t, address)
	okOrExit(t, second.SetDeadline(time.Now().Add(time.Minute)))
	if n, err := second.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestWhatIsTooLongToKeepIsRefused(t *testing.T) {
	t.Parallel()
	handler := httplimit.KeepFields(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && (r.Header.Get("X-Other") != "" || len(r.Header) > 2) {
			t.Errorf("it keeps %v", r.Header)
		}
	}), []string{"Accept", "Authorization"})
	many := http.Header{}
	for i := range 300 {
		many.Add("X-"+strings.Repeat("a", i), "")
	}
	long := strings.Repeat("x", 9000)
	for name, test := range map[string]struct {
		method, url string
		header      http.Header
		status      int
	}{
		"short":               {"GET", "/", http.Header{"Accept": {"a/b"}}, 200},
		"a field that is not": {"GET", "/", http.Header{"Accept": {"a/b"}, "X-Other": {long, long}, "Cookie": {long}}, 200},
		"a long field":        {"GET", "/", http.Header{"Accept": {long}}, 431},
		"several lines":       {"HEAD", "/", http.Header{"Accept": strings.SplitN(strings.Repeat(strings.Repeat("x", 99)+" ", 90), " ", 90)}, 431},
		"many fields":         {"GET", "/", many, 431},
		"many of a post":      {"POST", "/", many, 431},
		"a long post":         {"POST", "/", http.Header{"Ce-Subject": {long}}, 200},
		"a long URL":          {"GET", "/?" + long, nil, 414},
	} {
		r := httptest.NewRequestWithContext(t.Context(), test.method, test.url, http.NoBody)
		r.Header = test.header
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
