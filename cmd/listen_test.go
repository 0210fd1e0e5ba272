package cmd_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// follower starts a seeder that follows a feed and shows how it stands.
func follower(t *testing.T, from, into string, arguments ...string) *operated {
	t.Helper()
	arguments = append([]string{"run", "--follow", "--from", from, "--into", into, "--listen", "127.0.0.1:0"}, arguments...)
	return launch(t, "seeder", arguments, func(o *operated) bool { return o.private != "" })
}

// waitReady asks until a probe has an answer.
func (o *operated) waitReady(t *testing.T, want int) (body string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		status, body := ask(t, o.private+"/readyz")
		if status == want {
			return body
		}
		if time.Now().After(deadline) {
			t.Fatalf("/readyz: %d %s; it says\n%s", status, body, o.logged())
		}
	}
}

const poison = `CREATE TABLE orders (id TEXT PRIMARY KEY, amount INTEGER CHECK (amount > 0));
-- on T
INSERT INTO orders VALUES (:id, 1 - (:position = 3));
`

// What a seeder shows is what it did, to probes and to Prometheus; a server that
// goes away is seen, and takes neither the process nor its answers with it.
func TestOperatorsSeeWhatASeederDoes(t *testing.T) {
	t.Parallel()
	log, target := testdb.SQLite(t), testdb.SQLite(t)
	l := storetest.Open(t, log)
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 25))
	server := operate(t, log)
	file := filepath.Join(t.TempDir(), "shop.sql")
	must.OK(t, os.WriteFile(file, []byte(strings.Replace(poison, "T\n", storetest.Events(1, 1)[0].Type+"\n", 1)), 0o600))
	o := follower(t, server.feeds+"/feeds/orders", target, "--projection", file, "--on-error", "park")

	o.waitReady(t, http.StatusOK)
	families := o.waitFor(t, "eventfeed_seeder_position", 25)
	for name, want := range map[string]float64{
		"eventfeed_seeder_head": 25, "eventfeed_seeder_lag_events": 0, "eventfeed_seeder_following": 1, "eventfeed_seeder_target_up": 1,
		"eventfeed_seeder_parked_events_total": float64(parkedIn(t, target)), "eventfeed_seeder_failed_requests_total": 0,
	} {
		if got := value(families[name]); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if applied, parked := value(families["eventfeed_seeder_applied_events_total"]), value(families["eventfeed_seeder_parked_events_total"]); applied+parked != 25 || parked == 0 {
		t.Errorf("%v applied and %v parked of 25", applied, parked)
	}
	if waiting := value(families["eventfeed_seeder_parked_events"]); waiting != float64(parkedIn(t, target)) {
		t.Errorf("%v are said to be parked", waiting)
	}
	wantTyped(t, families)
	wantAlerts(t, families)

	storetest.Append(t, l, "orders", storetest.Events(26, 30))
	o.waitFor(t, "eventfeed_seeder_position", 30)
	must.OK(t, server.process.Process.Kill())
	for deadline := time.Now().Add(time.Minute); value(o.scrape(t)["eventfeed_seeder_failed_requests_total"]) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server is away, and it shows nothing of it: %s", o.logged())
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} { // for a minute
		if status, body := ask(t, o.private+path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	must.OK(t, o.process.Process.Signal(syscall.SIGTERM))
	if err := <-o.ended; err != nil {
		t.Errorf("it ended with %v: %s", err, o.logged())
	}
}

// parkedIn counts what a target has parked, as it lists it.
func parkedIn(t *testing.T, target string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(programs, "seeder"), "parked", "--json", "--into", target).Output()
	must.OK(t, err)
	return strings.Count(string(out), `"position"`)
}

// wantTyped wants a text and a type for each metric, and a total to be a counter.
func wantTyped(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	for name, f := range families {
		if isTotal := strings.HasSuffix(name, "_total"); f.GetHelp() == "" || isTotal != (f.GetType() == dto.MetricType_COUNTER) && strings.HasPrefix(name, "eventfeed_") {
			t.Errorf("%s is a %s: %q", name, f.GetType(), f.GetHelp())
		}
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(families)), func(name string) bool { return strings.HasPrefix(name, "go_") }) {
		t.Error("nothing is said of the process")
	}
}

// wantAlerts wants each metric of a seeder that the alerts ask for to be there.
func wantAlerts(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	for _, file := range []string{"alerts.yaml", "grafana.json"} {
		asking, err := os.ReadFile("../deploy/" + file)
		must.OK(t, err)
		asked := regexp.MustCompile(`\beventfeed_seeder_[a-z_]+`).FindAllString(string(asking), -1)
		if len(asked) == 0 {
			t.Errorf("%s asks nothing of a seeder", file)
		}
		for _, name := range asked {
			if families[name] == nil {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
}

// The environment of a service is often shared by its commands.
func TestMaxLagOfTheEnvironmentNeedsNoListener(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, test := range []struct {
		variables, arguments []string
		says                 string
	}{
		{[]string{"EVENTFEED_MAX_LAG=3s"}, nil, "gave up: "},
		{nil, []string{"--max-lag", "3s"}, "--max-lag: requires --listen"},
	} {
		_, said := h.say(test.variables, nil, append([]string{"run", "--from", "http://127.0.0.1:1/feeds/a", "--into", "sqlite:x.db", "--patience", "1ms"}, test.arguments...)...)
		if !strings.Contains(said, test.says) {
			t.Errorf("%q %q: %s", test.variables, test.arguments, said)
		}
	}
}

// What a signal breaks off is no error of the event that was just applied.
func TestRunThatIsStoppedSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	asked := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	command := exec.CommandContext(t.Context(), filepath.Join(h.folder, "seeder"), "run", "--from", server.URL, "--into", "sqlite:x.db")
	command.Dir = h.folder
	var said strings.Builder
	command.Stderr = &said
	must.OK(t, command.Start())
	<-asked
	must.OK(t, command.Process.Signal(syscall.SIGINT))
	const want = "seeder: stopped before the end of the feed\nrun the same command again to continue from there\n"
	if err := command.Wait(); command.ProcessState.ExitCode() != 1 || said.String() != want {
		t.Errorf("%v: %s", err, &said)
	}
}
