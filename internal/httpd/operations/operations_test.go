package operations_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/httpd/operations"
)

// ask asks as whoever calls the server by a name does.
func ask(t *testing.T, config operations.Config, host, path string) (status int, body string) {
	t.Helper()
	config.Metrics = prometheus.NewRegistry()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
	r.Host = host
	w := httptest.NewRecorder()
	operations.Handler(config).ServeHTTP(w, r)
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text)
}

var paths = []string{"/", "/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"}

func TestALocalListenerAnswersToItsOwnNamesOnly(t *testing.T) {
	t.Parallel()
	for _, path := range paths {
		for host, want := range map[string]int{"evil.example": 421, "localhost:8081": 200, "127.0.0.1:8081": 200} {
			if status, body := ask(t, operations.Config{Local: true, Profiles: true}, host, path); status != want {
				t.Errorf("%s as %s: %d %.200s", path, host, status, body)
			}
		}
		if status, _ := ask(t, operations.Config{Profiles: true}, "feedserver.shop.svc", path); status != 200 {
			t.Errorf("%s where others reach it: %d", path, status)
		}
	}
}

func TestProfilesAreThereOnlyWhereTheyAreAllowed(t *testing.T) {
	t.Parallel()
	for _, path := range paths {
		want := http.StatusOK
		if strings.HasPrefix(path, "/debug/") {
			want = http.StatusForbidden
		}
		if status, body := ask(t, operations.Config{}, "h", path); status != want || want == http.StatusForbidden && !strings.Contains(body, "--profiles") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if _, body := ask(t, operations.Config{}, "h", "/"); strings.Contains(body, "pprof") {
		t.Errorf("it lists what is off: %s", body)
	}
}

func TestTheCommandLineShowsNoArguments(t *testing.T) {
	t.Parallel()
	_, body := ask(t, operations.Config{Profiles: true}, "h", "/debug/pprof/cmdline")
	if body != os.Args[0]+"\n" || len(os.Args) < 2 {
		t.Errorf("%q", body)
	}
}
