//go:build linux

package waiting_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// build builds the server as it is shipped: the race detector would take more
// memory than what is measured.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "feedserver")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/feedserver").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// server is a server's process.
type server struct {
	pid        int
	address    string
	operations string // URL of its private listener
}

var serving = regexp.MustCompile(`msg="?(serving|serving health and metrics)"? url=http://([^/ ]+)/`)

// serve starts a server, which must end well when it is told to.
func serve(t *testing.T, program, database string) *server {
	t.Helper()
	command := exec.Command(program, "serve", "--db", testdb.As(database, testdb.Server),
		"--listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0", "--max-wait", patience.String(),
		"--client-connections", "0", "--client-requests", "0") // all readers have one address
	stderr, err := command.StderrPipe()
	must.OK(t, err)
	must.OK(t, command.Start())
	ended := make(chan struct{})
	t.Cleanup(func() {
		must.OK(t, command.Process.Signal(syscall.SIGTERM))
		<-ended
		if err := command.Wait(); err != nil {
			t.Errorf("server: %v", err)
		}
	})
	s := &server{pid: command.Process.Pid}
	lines := bufio.NewScanner(stderr)
	for s.address == "" && lines.Scan() {
		match := serving.FindStringSubmatch(lines.Text())
		switch {
		case match == nil:
		case match[1] == "serving":
			s.address = match[2]
		default:
			s.operations = "http://" + match[2]
		}
	}
	go func() {
		defer close(ended)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "level=WARN") || strings.Contains(lines.Text(), "level=ERROR") {
				t.Errorf("server: %s", lines.Text())
			}
		}
	}()
	if s.address == "" || s.operations == "" {
		t.Fatal("the server does not serve")
	}
	return s
}

// metric returns a metric that has no labels.
func (s *server) metric(t *testing.T, name string) int {
	t.Helper()
	answer := get(t, s.operations+"/metrics")
	for line := range strings.Lines(answer.body) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			must.OK(t, err)
			return int(number)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// holds waits until the server holds this many. Meanwhile it does something.
func (s *server) holds(t *testing.T, metric string, count int, meanwhile func()) {
	t.Helper()
	for deadline := time.Now().Add(patience / 2); ; time.Sleep(50 * time.Millisecond) {
		meanwhile()
		n := s.metric(t, metric)
		if n == count {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is %d, want %d", metric, n, count)
		}
	}
}

// memory returns a figure of the process's memory, in MB: VmRSS for what it has
// now, VmHWM for the most that it ever had.
func (s *server) memory(t *testing.T, figure string) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	must.OK(t, err)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == figure+":" {
			kilobytes, err := strconv.ParseFloat(fields[1], 64)
			must.OK(t, err)
			return kilobytes * 1024 / 1e6
		}
	}
	t.Fatalf("there is no %s", figure)
	return 0
}

// work is the time that the process has spent on the processor.
func (s *server) work(t *testing.T) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	must.OK(t, err)
	_, after, _ := strings.Cut(string(stat), ") ")
	ticks := 0
	for _, field := range strings.Fields(after)[11:13] {
		n, err := strconv.Atoi(field)
		must.OK(t, err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// answer is what a server said.
type answer struct{ tag, body string }

// get asks as anybody does.
func get(t *testing.T, url string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must.OK(t, err)
	request.Header.Set("Accept-Encoding", "identity")
	response, err := http.DefaultClient.Do(request)
	must.OK(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", url, response.Status, body)
	}
	return answer{response.Header.Get("ETag"), string(body)}
}
