package httplimit_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventfeed/eventfeed/internal/httplimit"
)

// quick are limits that a test does not have to wait long for, and that a busy
// machine does not hit by itself.
func quick() httplimit.Config {
	return httplimit.Config{
		Header: time.Second, HeaderBytes: 4 << 10, Idle: time.Second,
		Stall: time.Second, MinRate: 1 << 20,
	}
}

// lenient are limits for clients that are slow, and not too slow.
func lenient() httplimit.Config {
	config := quick()
	config.Stall, config.MinRate = 2*time.Second, 128<<10
	return config
}

// longer is a time in which every limit has passed.
const longer = 2200 * time.Millisecond

// house is a server under limits.
type house struct {
	address  string
	registry *prometheus.Registry
	ended    chan string // paths whose handlers have ended
}

func newHouse(t *testing.T, config httplimit.Config) *house {
	return start(t, config, func(server *http.Server, listener net.Listener) error { return server.Serve(listener) })
}

func start(t *testing.T, config httplimit.Config, serve func(*http.Server, net.Listener) error) *house {
	t.Helper()
	h := &house{registry: prometheus.NewRegistry(), ended: make(chan string, 100)}
	config.Metrics = httplimit.NewMetrics(h.registry)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h.address = listener.Addr().String()
	server := httplimit.Server(h.handler(t), config)
	served := make(chan error, 1)
	go func() { served <- serve(server, httplimit.Listener(listener, config)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("it served until %v", err)
		}
	})
	return h
}

// page is larger than what the kernel keeps for a connection that is not read.
var page = bytes.Repeat([]byte("0123456789abcdef"), 1<<20)

func (h *house) handler(t *testing.T) http.Handler {
	file := filepath.Join(t.TempDir(), "page")
	must(t, os.WriteFile(file, page, 0o600))
	router := http.NewServeMux()
	router.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(page) })
	router.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	router.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "short") })
	router.HandleFunc("/post", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintln(w, n, err)
	})
	router.HandleFunc("/pause", func(w http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, 1))
		time.Sleep(longer)
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintln(w, n+1, err)
	})
	router.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(longer):
			_, _ = io.WriteString(w, "waited")
		case <-r.Context().Done():
		}
	})
	router.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "data\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(longer / 2)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { h.ended <- r.URL.Path }()
		router.ServeHTTP(w, r)
	})
}

func (h *house) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.address)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// get asks as any client does, on a connection of its own.
func (h *house) get(ctx context.Context, path string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.address+path, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// served tells that others are served meanwhile.
func (h *house) served(t *testing.T) {
	t.Helper()
	if body, err := h.get(t.Context(), "/short"); body != "short" || err != nil {
		t.Errorf("another one gets %q, %v", body, err)
	}
}

// freed waits until the server has no connection any more.
func (h *house) freed(t *testing.T) {
	t.Helper()
	const want = "# HELP eventfeed_http_connections Connections of clients that are open.\n# TYPE eventfeed_http_connections gauge\neventfeed_http_connections 0\n"
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = testutil.GatherAndCompare(h.registry, bytes.NewReader([]byte(want)), "eventfeed_http_connections"); err == nil {
			return
		}
	}
	t.Error(err)
}

// dribble sends a byte at a time, until the connection ends.
func dribble(w io.Writer, text string) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Whatever a client does to hold its connection, it is freed, and meanwhile
// others are served.
func TestSlowClientsAreFreedAndOthersServed(t *testing.T) {
	t.Parallel()
	houses := map[string]*house{}
	for name, misbehave := range map[string]func(net.Conn){
		"says nothing":         func(net.Conn) {},
		"header by the byte":   func(c net.Conn) { _, _ = io.WriteString(c, "GET /short HTTP/1.1\r\nX-Long: "); dribble(c, "x") },
		"asks no second thing": func(c net.Conn) { _, _ = io.WriteString(c, "GET /short HTTP/1.1\r\nHost: h\r\n\r\n") },
		"body by the byte": func(c net.Conn) {
			_, _ = io.WriteString(c, "POST /post HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
			dribble(c, "x")
		},
		"body by the byte that nobody reads": func(c net.Conn) {
			_, _ = io.WriteString(c, "POST /short HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
			dribble(c, "x")
		},
		"reads nothing": func(c net.Conn) { _, _ = io.WriteString(c, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n") },
		"reads nothing of a file": func(c net.Conn) {
			_, _ = io.WriteString(c, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n")
		},
		"reads by the byte": func(c net.Conn) {
			_, _ = io.WriteString(c, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n")
			for one := make([]byte, 1); ; time.Sleep(10 * time.Millisecond) {
				if _, err := c.Read(one); err != nil {
					return
				}
			}
		},
		"asks on and on and reads nothing": func(c net.Conn) { dribble(c, "GET /page HTTP/1.1\r\nHost: h\r\n\r\n") },
	} {
		houses[name] = newHouse(t, quick())
		for range 3 {
			conn := houses[name].dial(t)
			go misbehave(conn)
		}
	}
	for name, h := range houses { // which all wait at the same time
		t.Run(name, func(t *testing.T) {
			h.served(t)
			h.freed(t)
			h.served(t)
		})
	}
}

// Bounds are for headers too.
func TestLongHeadersAreRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, quick())
	conn := h.dial(t)
	_, err := fmt.Fprintf(conn, "GET /short HTTP/1.1\r\nX: %s\r\n\r\n", bytes.Repeat([]byte("x"), 20<<10))
	must(t, err)
	status, err := bufio.NewReader(conn).ReadString('\n')
	if status != "HTTP/1.1 431 Request Header Fields Too Large\r\n" {
		t.Errorf("answer %q, %v", status, err)
	}
}

// Who is slow and keeps the least rate gets everything, however long it takes.
func TestSlowReaderThatKeepsTheRateGetsEverything(t *testing.T) {
	t.Parallel()
	h := newHouse(t, lenient())
	var readers sync.WaitGroup
	for _, path := range []string{"/page", "/file"} {
		readers.Go(func() {
			conn := h.dial(t)
			_, err := io.WriteString(conn, "GET "+path+" HTTP/1.0\r\n\r\n")
			must(t, err)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			must(t, err)
			defer response.Body.Close()
			var got bytes.Buffer
			began := time.Now()
			for err == nil { // about 4 MiB a second
				_, err = io.CopyN(&got, response.Body, 128<<10)
				time.Sleep(30 * time.Millisecond)
			}
			if !bytes.Equal(got.Bytes(), page) {
				t.Errorf("%s: %d bytes of %d after %v: %v", path, got.Len(), len(page), time.Since(began), err)
			}
		})
	}
	readers.Wait()
}

// The limits are for slow clients, not for slow answers.
func TestWaitingIsNotSlow(t *testing.T) {
	t.Parallel()
	h := newHouse(t, quick())
	for path, want := range map[string]string{"/wait": "waited", "/stream": "data\ndata\ndata\n"} {
		if got, err := h.get(t.Context(), path); got != want || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	response, err := http.Post("http://"+h.address+"/wait", "text/plain", bytes.NewReader(page))
	must(t, err)
	defer response.Body.Close()
	if got, err := io.ReadAll(response.Body); string(got) != "waited" || err != nil {
		t.Errorf("after a body: %q, %v", got, err)
	}
}

// secure starts a server with TLS, and returns what asks it over HTTP/2.
func secure(t *testing.T, config httplimit.Config) (*house, *http.Client) {
	t.Helper()
	certificate := httptest.NewUnstartedServer(nil)
	certificate.EnableHTTP2 = true
	certificate.StartTLS()
	t.Cleanup(certificate.Close)
	h := start(t, config, func(server *http.Server, listener net.Listener) error {
		server.TLSConfig = &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12}
		return server.ServeTLS(listener, "", "")
	})
	return h, certificate.Client()
}

// Over HTTP/2 a client can take nothing of one answer and go on with others.
func TestStreamsOfHTTP2AreFreedOneByOne(t *testing.T) {
	t.Parallel()
	h, client := secure(t, quick())
	get := func(path string) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.address+path, nil)
		must(t, err)
		response, err := client.Do(request)
		must(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		if response.ProtoMajor != 2 {
			t.Fatalf("%s", response.Proto)
		}
		return response
	}
	stuck := get("/page")
	for path, want := range map[string]string{"/wait": "waited", "/stream": "data\ndata\ndata\n", "/short": "short"} {
		if got, err := io.ReadAll(get(path).Body); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	wantEnded(t, h, "/page")
	if n, err := io.Copy(io.Discard, stuck.Body); err == nil {
		t.Errorf("the answer that was not taken ended well after %d bytes", n)
	}
	// A body that does not come holds its handler no longer.
	reader, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+h.address+"/post", reader)
	must(t, err)
	go func() {
		if response, err := client.Do(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	wantEnded(t, h, "/post")
}

// slowBody is read by a client that is slow, and keeps the least rate.
type slowBody struct{ left int }

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(30 * time.Millisecond)
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

// A body may take longer than any one limit, and so may who reads it.
func TestSlowBodyThatKeepsTheRateIsTaken(t *testing.T) {
	t.Parallel()
	plain := newHouse(t, lenient())
	encrypted, client := secure(t, lenient())
	var clients sync.WaitGroup
	for _, url := range []string{"http://" + plain.address, "https://" + encrypted.address} {
		for _, path := range []string{"/post", "/pause"} {
			clients.Go(func() {
				const size = 4 << 20
				request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, &slowBody{size})
				must(t, err)
				response, err := client.Do(request)
				must(t, err)
				defer response.Body.Close()
				if got, err := io.ReadAll(response.Body); string(got) != fmt.Sprintln(size, error(nil)) || err != nil {
					t.Errorf("%s%s: %q, %v", url, path, got, err)
				}
			})
		}
	}
	clients.Wait()
}

func wantEnded(t *testing.T, h *house, path string) {
	t.Helper()
	for timeout := time.After(20 * time.Second); ; {
		select {
		case ended := <-h.ended:
			if ended == path {
				return
			}
		case <-timeout:
			t.Fatalf("%s has not ended", path)
		}
	}
}

// More connections than there may be wait for their turn, and get it.
func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	config := quick()
	config.Connections = 2
	h := newHouse(t, config)
	for range 2 { // which are freed as they say nothing
		h.dial(t)
	}
	h.served(t)
}

// must is called from goroutines too, and so ends no test.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
}
