package need

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tools are what tests may need, by the names that test/install-tools has for them, each with the
// places where its program may be. The first place that has it counts. Those in .tools are below the
// module's root.
var tools = map[string][]string{
	"caddy":      {"caddy"},
	"chromium":   {"chromium", "chromium-browser", "google-chrome"},
	"curl":       {"curl"},
	"feedparser": {"/usr/bin/python3"},
	// A program that runs a class of Kafka, such as kafka.Kafka.
	"kafka": {".tools/kafka-4.3.1/run"},
	"kcat":  {"kcat", "kafkacat"},
	// Built from source: the version that is tested, which Debian does not have.
	"nats-server": {".tools/nats-server-v2.15.3/nats-server"},
	"newsboat":    {"newsboat"},
	// Debian keeps servers where only root looks.
	"nginx":     {"nginx", "/usr/sbin/nginx"},
	"pgbouncer": {"pgbouncer", "/usr/sbin/pgbouncer"},
	"pika":      {"/usr/bin/python3"},
	"psycopg":   {"/usr/bin/python3"},
	"python3":   {"/usr/bin/python3", "python3"},
	// The one on the PATH refuses users other than root and rabbitmq.
	"rabbitmq": {"/usr/lib/rabbitmq/bin/rabbitmq-server"},
	"systemd":  {"systemd-analyze"},
	"varnish":  {"varnishd", "/usr/sbin/varnishd"},
	// An S3 server, built from source.
	"versitygw": {".tools/versitygw-v1.8.0/versitygw"},
}

// libraries are those of tools that are libraries of Python: Debian's own interpreter finds them;
// another one may be first on the PATH.
var libraries = []string{"feedparser", "pika", "psycopg"}

// Tool returns the path of a tool's program. A name that test/install-tools does not have is a panic.
// For a library, it is the Python interpreter that finds it.
//
// Where the tool is missing, the test is skipped, or fails where all tests must run.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, found := find(name)
	if !found {
		end(t, fmt.Sprintf("no %s for this test: run it with make test, which installs it, or run test/install-tools %[1]s", name))
	}
	return path
}

func find(name string) (path string, found bool) {
	places, known := tools[name]
	if !known {
		panic("need: no such tool: " + name)
	}
	for _, place := range places {
		if strings.HasPrefix(place, ".tools/") {
			place = filepath.Join(module(), place)
		}
		path, err := exec.LookPath(place)
		if err != nil || slices.Contains(libraries, name) && exec.Command(path, "-c", "import "+name).Run() != nil { //nolint:noctx // as long as an import takes
			continue
		}
		return path, true
	}
	return "", false
}

// module returns the folder of the module, above the one that a test runs in.
func module() string {
	folder, err := os.Getwd()
	for err == nil && folder != filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		folder = filepath.Dir(folder)
	}
	return ""
}

// missing returns what this machine lacks, PostgreSQL first.
func missing() (names []string) {
	if !hasPostgres() {
		names = append(names, "PostgreSQL")
	}
	for _, name := range slices.Sorted(maps.Keys(tools)) {
		if _, found := find(name); !found {
			names = append(names, name)
		}
	}
	return names
}
