package need

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestMain says in one line what go test skips on this machine.
func TestMain(m *testing.M) {
	flag.Parse()
	// Without this log go test does not cache the result, so that each run says it.
	if err := flag.Set("test.testlogfile", ""); err != nil {
		panic(err)
	}
	if !allMustRun() {
		if names := missing(); len(names) > 0 {
			tellGo("eventfeed: skipped the tests that need " + strings.Join(names, ", ") + ": make test installs these and runs all tests\n")
		}
	}
	os.Exit(RunWithExamples(m, "ExamplePostgresOfExample"))
}

// tellGo writes a line to the standard error of the go command that runs this test: go test ./...
// shows nothing of what a test prints that passes. It writes to a terminal or a pipe only: in a file
// the go command would write over the line. It needs Linux; elsewhere nothing is written.
func tellGo(line string) {
	parent := fmt.Sprintf("/proc/%d/", os.Getppid())
	stderr := parent + "fd/2"
	info, err := os.Stat(stderr)
	if err != nil || info.Mode()&(os.ModeCharDevice|os.ModeNamedPipe) == 0 {
		return
	}
	if name, err := os.ReadFile(parent + "comm"); err != nil || string(name) != "go\n" {
		return
	}
	file, err := os.OpenFile(stderr, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	_, _ = file.WriteString(line)
	_ = file.Close()
}
