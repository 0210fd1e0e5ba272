//go:build unix

// Package testproxy starts real caching proxies in front of a test's server, with the very files of
// deploy/. Only tests import it.
package testproxy

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// How long a proxy under the load of all tests may take to start: Varnish compiles its file first.
const patience = time.Minute

// Start puts a proxy in front of the server at a URL, with an empty cache, until the test ends, and
// returns its own URL. Its log is shown if the test fails.
type Start func(t testing.TB, upstream string) string

// Proxies are all there are, by their names.
var Proxies = map[string]Start{"nginx": Nginx, "varnish": Varnish}

// proxy is how one kind is run.
type proxy struct {
	tool  string   // of [need.Tool]
	ready string   // what it says once it has its port
	more  []string // a command that prints what its log lacks, given the folder "work"
}

// start runs the proxy on a free port. The command line may need the folder and the port.
func (p *proxy) start(t testing.TB, commandLine func(folder string, port int) []string) string {
	t.Helper()
	var said string
	for range 5 {
		folder, port := makeFolder(t), testprocess.FreePorts(t, 1)
		process := run(t, p, folder, commandLine(folder, port))
		if process.waitFor(t, p.ready) {
			url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			awaitAnswer(t, url)
			return url
		}
		said = process.stop() // someone else has taken the port, for one
	}
	t.Fatalf("%s does not start:\n%s", p.tool, said)
	return ""
}

// awaitAnswer waits until something answers, whatever it is: a path that no server has is not
// worth a place in a cache.
func awaitAnswer(t testing.TB, url string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/is-it-there", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			return
		}
	}
	t.Fatalf("%s does not answer", url)
}

// makeFolder makes a folder for one proxy: its files, cache and sockets, whose paths must be short.
func makeFolder(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "eventfeed-proxy-") //nolint:usetesting // paths of sockets may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// deployed returns a file of deploy/ with what an operator has to change changed. Each text must
// stand there once, with CHANGE in its line or the one before it, so that nothing else is.
func deployed(t testing.TB, name string, changes map[string]string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root(t), "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for old, replacement := range changes {
		before, after, _ := strings.Cut(text, old)
		line, _, _ := strings.Cut(after, "\n")
		lines := strings.Split(before, "\n")
		near := strings.Join(lines[max(0, len(lines)-3):], "\n") + line
		if strings.Count(text, old) != 1 || !strings.Contains(near, "CHANGE") {
			t.Fatalf("deploy/%s: %q must stand there once, marked CHANGE", name, old)
		}
		text = before + replacement + after
	}
	return text
}

// root is the folder of the module.
func root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(folder, "go.mod")) {
		if folder == filepath.Dir(folder) {
			t.Fatal("no go.mod above the test's folder")
		}
		folder = filepath.Dir(folder)
	}
	return folder
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// host returns host and port of a URL without a path.
func host(t testing.TB, url string) (name, port string) {
	t.Helper()
	name, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return name, port
}
