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
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
)

// quick are limits that a test on a real socket does not have to wait long for.
// Only tests of what ends use them there: what must not end is tested on pipes,
// whose time passes only while all wait, so that no busy machine is too slow.
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
	connect  func() (net.Conn, error)
	registry *prometheus.Registry
	ended    chan string // paths whose handlers have ended
}

type serve func(*http.Server, net.Listener) error

func plain(server *http.Server, listener net.Listener) error { return server.Serve(listener) }

// onSocket starts a server that the kernel keeps buffers for.
func onSocket(t *testing.T, config httplimit.Config) *house {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	okOrExit(t, err)
	return start(t, config, plain, listener, func() (net.Conn, error) {
		return (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	})
}

// onPipes starts a server for a test in a bubble of testing/synctest.
func onPipes(t *testing.T, config httplimit.Config, serve serve) *house {
	t.Helper()
	p := &pipes{made: make(chan net.Conn), closed: make(chan struct{})}
	return start(t, config, serve, p, p.dial)
}

// pipes is a listener in memory.
type pipes struct {
	made   chan net.Conn
	closed chan struct{}
	close  sync.Once
}

func (p *pipes) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.made <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.made:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

func (*pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

func start(t *testing.T, config httplimit.Config, serve serve, listener net.Listener, connect func() (net.Conn, error)) *house {
	t.Helper()
	h := &house{connect: connect, registry: prometheus.NewRegistry(), ended: make(chan string, 100)}
	config.Metrics = httplimit.NewMetrics(h.registry)
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
	okOrExit(t, os.WriteFile(file, page, 0o600))
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
	conn, err := h.connect()
	okOrExit(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (h *house) transport() *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return h.connect() },
	}
}

// get asks as any client does, on a connection of its own.
func (h *house) get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://house"+path, nil)
	if err != nil {
		return "", err
	}
	response, err := h.transport().RoundTrip(request)
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
	const want = "# HELP eventfeed_http_connections Open connections of clients.\n# TYPE eventfeed_http_connections gauge\neventfeed_http_connections 0\n"
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

// misbehaviours are ways to hold a connection.
var misbehaviours = map[string]func(net.Conn){
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
}

// Whatever a client does to hold its connection, it is freed, and meanwhile
// others are served.
func TestSlowClientsAreFreedAndOthersServed(t *testing.T) {
	t.Parallel()
	for name, misbehave := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := onPipes(t, quick(), plain)
				var clients sync.WaitGroup
				for range 3 {
					conn := h.dial(t)
					clients.Go(func() { misbehave(conn) })
				}
				h.served(t)
				h.freed(t)
				h.served(t)
				clients.Wait()
			})
		})
	}
}

// The kernel takes some of an answer for a client that takes none, and sends
// files by itself.
func TestSlowClientsOnSocketsAreFreed(t *testing.T) {
	t.Parallel()
	for name, misbehave := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := onSocket(t, quick())
			go misbehave(h.dial(t))
			h.freed(t)
		})
	}
}

// Bounds are for headers too.
func TestLongHeadersAreRefused(t *testing.T) {
	t.Parallel()
	h := onSocket(t, lenient())
	conn := h.dial(t)
	_, err := fmt.Fprintf(conn, "GET /short HTTP/1.1\r\nX: %s\r\n\r\n", bytes.Repeat([]byte("x"), 20<<10))
	okOrExit(t, err)
	status, err := bufio.NewReader(conn).ReadString('\n')
	if status != "HTTP/1.1 431 Request Header Fields Too Large\r\n" {
		t.Errorf("answer %q, %v", status, err)
	}
}

// Who is slow and keeps the least rate gets everything, however long it takes.
func TestSlowReaderThatKeepsTheRateGetsEverything(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/page", "/file"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := onPipes(t, quick(), plain)
				conn := h.dial(t)
				_, err := io.WriteString(conn, "GET "+path+" HTTP/1.0\r\n\r\n")
				okOrExit(t, err)
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				okOrExit(t, err)
				defer response.Body.Close()
				var got bytes.Buffer
				began := time.Now()
				for err == nil { // about 2 MiB a second
					_, err = io.CopyN(&got, response.Body, 128<<10)
					time.Sleep(60 * time.Millisecond)
				}
				if !bytes.Equal(got.Bytes(), page) {
					t.Errorf("%d bytes of %d after %v: %v", got.Len(), len(page), time.Since(began), err)
				}
			})
		})
	}
}

// What the kernel sends arrives as it is.
func TestFilesArriveWhole(t *testing.T) {
	t.Parallel()
	patient := quick()
	patient.Stall = time.Minute
	h := onSocket(t, patient)
	if got, err := h.get(t.Context(), "/file"); got != string(page) || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), len(page), err)
	}
}

// The limits are for slow clients, not for slow answers.
func TestWaitingIsNotSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := onPipes(t, quick(), plain)
		for path, want := range map[string]string{"/wait": "waited", "/stream": "data\ndata\ndata\n"} {
			if got, err := h.get(t.Context(), path); got != want || err != nil {
				t.Errorf("%s: %q, %v", path, got, err)
			}
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://house/wait", bytes.NewReader(page))
		okOrExit(t, err)
		response, err := h.transport().RoundTrip(request)
		okOrExit(t, err)
		defer response.Body.Close()
		if got, err := io.ReadAll(response.Body); string(got) != "waited" || err != nil {
			t.Errorf("after a body: %q, %v", got, err)
		}
	})
}

// secure starts a server with TLS on pipes, and returns what asks it over HTTP/2.
func secure(t *testing.T, config httplimit.Config) (*house, *http.Transport) {
	t.Helper()
	authority := testcert.New(t)
	certificate, err := tls.X509KeyPair(authority.Issue(t, "house", time.Now().Add(time.Hour)))
	okOrExit(t, err)
	h := onPipes(t, config, func(server *http.Server, listener net.Listener) error {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
		return server.ServeTLS(listener, "", "")
	})
	transport := h.transport()
	transport.DisableKeepAlives = false
	transport.ForceAttemptHTTP2 = true
	transport.TLSClientConfig = &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	t.Cleanup(transport.CloseIdleConnections)
	return h, transport
}

// Over HTTP/2 a client can take nothing of one answer and go on with others.
func TestStreamsOfHTTP2AreFreedOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, client := secure(t, quick())
		get := func(path string) *http.Response {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://house"+path, nil)
			okOrExit(t, err)
			response, err := client.RoundTrip(request)
			okOrExit(t, err)
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
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://house"+"/post", reader)
		okOrExit(t, err)
		go func() {
			if response, err := client.RoundTrip(request); err == nil {
				_ = response.Body.Close()
			}
		}()
		wantEnded(t, h, "/post")
	})
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
	for _, scheme := range []string{"http", "https"} {
		for _, path := range []string{"/post", "/pause"} {
			t.Run(scheme+path, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var client *http.Transport
					if scheme == "https" {
						_, client = secure(t, lenient())
					} else {
						client = onPipes(t, lenient(), plain).transport()
					}
					const size = 4 << 20
					request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, scheme+"://house"+path, &slowBody{size})
					okOrExit(t, err)
					response, err := client.RoundTrip(request)
					okOrExit(t, err)
					defer response.Body.Close()
					if got, err := io.ReadAll(response.Body); string(got) != fmt.Sprintln(size, error(nil)) || err != nil {
						t.Errorf("%q, %v", got, err)
					}
				})
			})
		}
	}
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
	synctest.Test(t, func(t *testing.T) {
		config := quick()
		config.Connections = 2
		h := onPipes(t, config, plain)
		for range 2 { // which are freed as they say nothing
			h.dial(t)
		}
		h.served(t)
	})
}

// okOrExit is called from goroutines too, and so ends no test.
func okOrExit(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
}
