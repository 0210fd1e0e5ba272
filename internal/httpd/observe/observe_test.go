package observe_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// output is a log that several requests write to.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// house is a server whose requests are observed.
type house struct {
	url      string
	registry *prometheus.Registry
	log      *output
	resume   chan struct{} // lets one waiting request go on
}

func newHouse(t *testing.T) *house {
	h := &house{registry: prometheus.NewRegistry(), log: &output{}, resume: make(chan struct{})}
	router := mux.NewRouter()
	router.Use(observe.NameRoute)
	observed := observe.Handler(router, observe.Config{
		Metrics: observe.NewMetrics(h.registry), AccessLog: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	router.HandleFunc("/feeds/{feed}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "12345") }).Methods("GET")
	router.HandleFunc("/unchanged", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	router.HandleFunc("/silent", func(http.ResponseWriter, *http.Request) {})
	router.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	router.HandleFunc("/wait", func(_ http.ResponseWriter, r *http.Request) {
		defer observe.Waiting(r.Context())()
		select {
		case <-r.Context().Done():
		case <-h.resume:
		}
	})
	router.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		defer observe.Streaming(r.Context())()
		_, _ = io.WriteString(w, "first\n")
		if _, sendfile := w.(io.ReaderFrom); !sendfile {
			t.Error("a file could not be sent by the kernel")
		}
		controller := http.NewResponseController(w)
		if err := controller.SetWriteDeadline(time.Time{}); err != nil {
			t.Errorf("set a deadline: %v", err)
		}
		if err := controller.Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		<-h.resume
	})
	server := httptest.NewServer(observed)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *house) ask(t *testing.T, method, path string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, h.url+path, nil)
	must.OK(t, err)
	request.Header.Set("Authorization", "Bearer sesame")
	request.Header.Set("User-Agent", "reader/1 "+strings.Repeat("x", 1000))
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// value waits for a metric to have a value, since it is counted once the
// answer has been sent.
func (h *house) value(t *testing.T, want string, name ...string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = testutil.GatherAndCompare(h.registry, strings.NewReader(want), name...); err == nil {
			return
		}
	}
	t.Error(err)
}

const requestsHeader = `# HELP eventfeed_http_requests_total Requests by route, method and status; 499: the client closed the connection before the answer.
# TYPE eventfeed_http_requests_total counter
`

// A label takes few values, whatever clients send.
func TestRequestsAreCountedByRouteMethodAndStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ method, path, want string }{
		{"GET", "/feeds/orders", `code="200",method="GET",route="/feeds/{feed}"`},
		{"GET", "/feeds/other?token=x", `code="200",method="GET",route="/feeds/{feed}"`},
		{"GET", "/unchanged", `code="304",method="GET",route="/unchanged"`},
		{"HEAD", "/silent", `code="200",method="HEAD",route="/silent"`},
		{"GET", "/panic", `code="500",method="GET",route="/panic"`},
		{"POST", "/feeds/orders", `code="405",method="POST",route="none"`},
		{"GET", "/wp-login.php", `code="404",method="GET",route="none"`},
		{"BREW", "/coffee", `code="404",method="other",route="none"`},
	} {
		t.Run(test.method+test.path, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.ask(t, test.method, test.path)
			h.value(t, requestsHeader+"eventfeed_http_requests_total{"+test.want+"} 1\n", "eventfeed_http_requests_total")
		})
	}
}

func TestBytesAreThoseOfTheBodies(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ask(t, "GET", "/feeds/orders")
	h.ask(t, "GET", "/feeds/orders")
	h.value(t, `# HELP eventfeed_http_response_bytes_total Bytes sent in response bodies, as compressed.
# TYPE eventfeed_http_response_bytes_total counter
eventfeed_http_response_bytes_total{route="/feeds/{feed}"} 10
`, "eventfeed_http_response_bytes_total")
}

const waitingHeader = `# HELP eventfeed_waiting_readers Open long polls: requests that are held until there are new events.
# TYPE eventfeed_waiting_readers gauge
`

// A client that goes is not one that was answered.
func TestClientThatGoesIsCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/wait", nil)
	must.OK(t, err)
	left := make(chan struct{})
	go func() {
		defer close(left)
		if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
			_ = response.Body.Close()
		}
	}()
	h.value(t, waitingHeader+"eventfeed_waiting_readers 1\n", "eventfeed_waiting_readers")
	leave()
	<-left
	h.value(t, waitingHeader+"eventfeed_waiting_readers 0\n", "eventfeed_waiting_readers")
	h.value(t, requestsHeader+`eventfeed_http_requests_total{code="499",method="GET",route="/wait"} 1`+"\n", "eventfeed_http_requests_total")
}

// Time spent waiting says nothing about how fast the server is.
func TestTimeOfWaitingIsNotTimeTakenToAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const wait = time.Second
	time.AfterFunc(wait, func() { h.resume <- struct{}{} })
	h.ask(t, "GET", "/wait")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		families, err := h.registry.Gather()
		must.OK(t, err)
		for _, family := range families {
			if family.GetName() != "eventfeed_http_request_duration_seconds" {
				continue
			}
			if took := family.GetMetric()[0].GetHistogram().GetSampleSum(); took >= wait.Seconds() {
				t.Errorf("it took %v s", took)
			}
			if !strings.Contains(h.log.String(), " waited=") {
				t.Errorf("the log does not tell of it: %s", h.log)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not counted")
		}
	}
}

// What a handler can do with its ResponseWriter it still can.
func TestStreamsAreFlushedAndCounted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	response := h.ask(t, "GET", "/stream")
	first := make([]byte, 6)
	_, err := io.ReadFull(response.Body, first) // while the handler goes on
	must.OK(t, err)
	const header = `# HELP eventfeed_open_streams Open streams of server-sent events.
# TYPE eventfeed_open_streams gauge
`
	h.value(t, header+"eventfeed_open_streams 1\n", "eventfeed_open_streams")
	h.resume <- struct{}{}
	h.value(t, header+"eventfeed_open_streams 0\n", "eventfeed_open_streams")
}

// One line a request, of bounded length, without what may be a secret.
func TestAccessLogHasOneShortLineWithoutSecrets(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ask(t, "GET", "/feeds/a%0Ab%FF"+strings.Repeat("y", 3000)+"?token=sesame")
	h.value(t, requestsHeader+`eventfeed_http_requests_total{code="200",method="GET",route="/feeds/{feed}"} 1`+"\n", "eventfeed_http_requests_total")
	for deadline := time.Now().Add(10 * time.Second); h.log.String() == "" && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	line := h.log.String()
	if strings.Count(line, "\n") != 1 || len(line) > 800 || strings.Contains(line, "sesame") {
		t.Errorf("%d bytes: %q", len(line), line)
	}
	for _, want := range []string{`level=INFO msg=request method=GET path="/feeds/a\nbyyy`, "route=/feeds/{feed} status=200 bytes=5 duration=", " remote=127.0.0.1 ", ` agent="reader/1 xxx`} {
		if !strings.Contains(line, want) {
			t.Errorf("%q is not in %q", want, line)
		}
	}
}

// Names and help are as Prometheus wants them.
func TestMetricsFollowTheConventions(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.ask(t, "GET", "/feeds/orders")
	problems, err := testutil.GatherAndLint(h.registry)
	must.OK(t, err)
	if len(problems) > 0 {
		t.Error(fmt.Sprint(problems))
	}
}
