package cmd_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// operated is a server process with a private listener.
type operated struct {
	feeds, private string // URLs
	process        *exec.Cmd
	ended          chan error

	mu  sync.Mutex
	log strings.Builder
}

var privateURL = regexp.MustCompile(`msg="serving health and metrics" url=(\S+)/ `)

// operate starts a server.
func operate(t *testing.T, database string, arguments ...string) *operated {
	t.Helper()
	arguments = append([]string{"serve", "--db", database, "--listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0"}, arguments...)
	o := launch(t, "feedserver", arguments, func(o *operated) bool { return o.feeds != "" })
	if o.private == "" {
		t.Fatalf("it shows nothing: %s", o.logged())
	}
	return o
}

// launch starts a program, and returns once it has logged that it is
// ready.
func launch(t *testing.T, program string, arguments []string, isReady func(*operated) bool) *operated {
	t.Helper()
	o := &operated{process: exec.Command(filepath.Join(programs, program), arguments...), ended: make(chan error, 1)}
	o.process.Env = append(os.Environ(), "EVENTFEED_LISTEN=127.0.0.1:1") // a server's, which a seeder beside it has not to take
	stderr, err := o.process.StderrPipe()
	must.OK(t, err)
	must.OK(t, o.process.Start())
	t.Cleanup(func() { _ = o.process.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for !isReady(o) && lines.Scan() {
		o.note(lines.Text())
		if match := privateURL.FindStringSubmatch(lines.Text()); match != nil {
			o.private = match[1]
		}
		if match := servingURL.FindStringSubmatch(lines.Text()); match != nil {
			o.feeds = match[1]
		}
	}
	if !isReady(o) {
		t.Fatalf("it does not listen: %s", o.logged())
	}
	go func() {
		for lines.Scan() {
			o.note(lines.Text())
		}
		o.ended <- o.process.Wait()
	}()
	return o
}

func (o *operated) note(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log.WriteString(line + "\n")
}

func (o *operated) logged() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.log.String()
}

func ask(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must.OK(t, err)
	response, err := http.DefaultClient.Do(request)
	must.OK(t, err)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	must.OK(t, err)
	return response.StatusCode, string(content)
}

// scrape reads the metrics as Prometheus does.
func (o *operated) scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	_, text := ask(t, o.private+"/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	must.OK(t, err)
	return families
}

// value returns the sum of a metric over all its labels.
func value(family *dto.MetricFamily) (sum float64) {
	for _, m := range family.GetMetric() {
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

// waitFor scrapes until a metric has a value.
func (o *operated) waitFor(t *testing.T, name string, want float64) map[string]*dto.MetricFamily {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		families := o.scrape(t)
		if family, there := families[name]; there && value(family) == want {
			return families
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %v, want %v; the server says:\n%s", name, value(families[name]), want, o.logged())
		}
	}
}

// What is shown is what happened, and only those who run the server see it.
func TestOperatorsSeeWhatAServerDoes(t *testing.T) {
	t.Parallel()
	database := testdb.SQLite(t)
	l := storetest.Open(t, database)
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 95))
	o := operate(t, database, "--access-log", "--tokens", tokenFile(t, "shipping", "secret"))
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if status, _ := ask(t, o.private+"/readyz"); status == http.StatusOK {
			break
		}
	}
	for path, want := range map[string]int{"/": 200, "/healthz": 200, "/readyz": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200, "/feeds/orders": 404} {
		if got, _ := ask(t, o.private+path); got != want {
			t.Errorf("private %s: %d, want %d", path, got, want)
		}
	}
	o.feeds = strings.Replace(o.feeds, "://", "://x:secret@", 1)
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/debug/pprof/", "/debug/pprof/heap"} {
		if got, _ := ask(t, o.feeds+path); got != http.StatusNotFound {
			t.Errorf("public %s: %d, want 404", path, got)
		}
	}
	o.waitFor(t, "eventfeed_feed_archives", 9)
	for range 3 {
		ask(t, o.feeds+"/feeds/orders?secret=1")
	}
	families := o.waitFor(t, "eventfeed_http_requests_total", 8)
	for name, want := range map[string]float64{
		"eventfeed_build_info":                  1,
		"eventfeed_database_up":                 1,
		"eventfeed_feed_position":               95,
		"eventfeed_feed_pending_events":         0,
		"eventfeed_feed_unsealed_pages":         0,
		"eventfeed_sequencer_events_total":      95,
		"eventfeed_sequencer_errors_total":      0,
		"eventfeed_sealer_pages_total":          9,
		"eventfeed_waiting_readers":             0,
		"eventfeed_feed_held":                   0,
		"eventfeed_feed_oldest_pending_seconds": 0,
		"eventfeed_readers":                     1,
		"eventfeed_reader_position":             95,
		"eventfeed_reader_lag_events":           0,
	} {
		if family, there := families[name]; !there || value(family) != want {
			t.Errorf("%s is %v, want %v", name, value(family), want)
		}
	}
	if !strings.Contains(o.logged(), "msg=request method=GET path=/feeds/orders route=/feeds/{feed} status=200 ") || strings.Contains(o.logged(), "secret=1") {
		t.Errorf("the access log: %s", o.logged())
	}
	wantDocumented(t, families, func(name string) bool {
		return !strings.HasPrefix(name, "eventfeed_seeder_") && !strings.HasPrefix(name, "eventfeed_export_") // other tests see to those
	})
}

// tokenFile writes a file with a token that may read all feeds.
func tokenFile(t *testing.T, name, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens.toml")
	must.OK(t, os.WriteFile(file, fmt.Appendf(nil, "[[token]]\nname = %q\nsha256 = \"%x\"\nread = [\"*\"]\n", name, sha256.Sum256([]byte(token))), 0o600))
	return file
}

// Who waits and who is being streamed to is counted while it lasts.
func TestOperatorsSeeWhoWaits(t *testing.T) {
	t.Parallel()
	database := testdb.SQLite(t)
	storetest.Create(t, storetest.Open(t, database), "orders", 10)
	o := operate(t, database)
	response, err := http.Get(o.feeds + "/feeds/orders")
	must.OK(t, err)
	_ = response.Body.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for _, path := range []string{"/feeds/orders", "/feeds/orders/stream"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.feeds+path, nil)
		must.OK(t, err)
		request.Header.Set("If-None-Match", response.Header.Get("ETag"))
		request.Header.Set("Prefer", "wait=60")
		go func() {
			if response, err := http.DefaultClient.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		}()
	}
	gauges := []string{"eventfeed_waiting_readers", "eventfeed_open_streams"}
	for _, name := range gauges {
		o.waitFor(t, name, 1)
	}
	leave()
	for _, name := range gauges {
		o.waitFor(t, name, 0)
	}
}

// wantDocumented compares the metrics of a process that has worked with the
// table in metrics.md, and with what alerts and dashboard ask for, as far as isOurs has the names.
func wantDocumented(t *testing.T, families map[string]*dto.MetricFamily, isOurs func(name string) bool) {
	t.Helper()
	shown := slices.DeleteFunc(slices.Sorted(maps.Keys(families)), func(name string) bool { return !strings.HasPrefix(name, "eventfeed_") || !isOurs(name) })
	text, err := os.ReadFile("../docs/metrics.md")
	must.OK(t, err)
	var documented []string
	for _, match := range regexp.MustCompile("(?m)^\\| `(eventfeed_[a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		if isOurs(match[1]) {
			documented = append(documented, match[1])
		}
	}
	slices.Sort(documented)
	if !slices.Equal(shown, documented) {
		t.Errorf("metrics.md does not list what is shown\nshown      %v\ndocumented %v", shown, documented)
	}
	for _, file := range []string{"alerts.yaml", "grafana.json"} {
		asking, err := os.ReadFile("../deploy/" + file)
		must.OK(t, err)
		for _, name := range regexp.MustCompile(`\b(eventfeed|process)_[a-z_]+`).FindAllString(string(asking), -1) {
			if !isOurs(name) {
				continue
			}
			if name = strings.TrimSuffix(name, "_bucket"); families[name] == nil {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
}

// A server that is asked to end says first that it is not ready, and goes on
// serving, so that whoever sends it requests can stop.
func TestServerThatDrainsIsNotReadyAndServes(t *testing.T) {
	t.Parallel()
	database := testdb.SQLite(t)
	storetest.Create(t, storetest.Open(t, database), "orders", 10)
	o := operate(t, database, "--drain", "5s")
	must.OK(t, o.process.Process.Signal(syscall.SIGTERM))
	for {
		status, body := ask(t, o.private+"/readyz")
		if status == http.StatusServiceUnavailable && body == "stopping\n" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, url := range []string{o.feeds + "/feeds/orders", o.private + "/healthz"} {
		if status, _ := ask(t, url); status != http.StatusOK {
			t.Errorf("%s: %d", url, status)
		}
	}
	if err := <-o.ended; err != nil {
		t.Errorf("it ended with %v: %s", err, o.logged())
	}
}

// A database that is away is for an alert: it takes no archives away. A server that
// is told to need it is not ready meanwhile.
func TestServerStaysReadyWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	cluster := testcluster.New(t)
	cluster.Start(t)
	cluster.MakeRoles(t)
	l := storetest.Open(t, cluster.URL())
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 25))
	o := operate(t, cluster.URL())
	o.waitFor(t, "eventfeed_feed_archives", 2)
	o.waitFor(t, "eventfeed_database_up", 1)
	if status, _ := ask(t, o.feeds+"/feeds/orders"); status != http.StatusOK {
		t.Errorf("the feed: %d", status)
	}
	needs := operate(t, cluster.URL(), "--ready-needs-database")
	readiness := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			status, body := ask(t, needs.private+"/readyz")
			if status == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("a server that needs its database: %d %s, want %d", status, body, want)
			}
		}
	}
	readiness(http.StatusOK)
	cluster.Stop(t, "fast")
	readiness(http.StatusServiceUnavailable)
	families := o.waitFor(t, "eventfeed_database_up", 0)
	if _, there := families["eventfeed_feed_position"]; there {
		t.Error("it shows what it cannot know")
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := ask(t, o.private+path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := ask(t, o.feeds+"/feeds/orders"); status != http.StatusOK {
		t.Errorf("the feed, without the database: %d %s", status, body)
	}
	cluster.Start(t)
	o.waitFor(t, "eventfeed_database_up", 1)
	readiness(http.StatusOK)
}
