// Package cmd_test runs the commands as their users do, from scripts.
package cmd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/testdb"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator), "./feedserver", "./seeder")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"postgres": postgres(t),
			"serve":    serve(bin),
			"shutdown": shutdown,
			"copydb":   copyDatabase(t),
			"follow":   follow(bin),
			"settle":   settle,
			"status":   status,
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// postgres NAME sets the variable NAME to the URL of a new database.
func postgres(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, arguments []string) {
		ts.Setenv(arguments[0], testdb.Postgres(t))
	}
}

// status N COMMAND… runs a command that must exit with status N.
func status(ts *testscript.TestScript, _ bool, arguments []string) {
	want, err := strconv.Atoi(arguments[0])
	ts.Check(err)
	err = ts.Exec(arguments[1], arguments[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

var servingURL = regexp.MustCompile(`msg=serving url=(\S+)/`)

// serve DB starts a server until shutdown or the end of the script, on a free
// port, and sets URL. It must end with status 0 when it is asked to.
func serve(bin string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, arguments []string) {
		server := exec.CommandContext(context.Background(), filepath.Join(bin, "feedserver"), "serve", "--db", arguments[0], "--listen", "127.0.0.1:0")
		server.Dir = ts.Getenv("WORK")
		stderr, err := server.StderrPipe()
		ts.Check(err)
		ts.Check(server.Start())
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if match := servingURL.FindStringSubmatch(lines.Text()); match != nil {
				ts.Setenv("URL", match[1])
				break
			}
			ts.Logf("server: %s", lines.Text())
		}
		stop := sync.OnceFunc(func() {
			ts.Check(server.Process.Signal(syscall.SIGTERM))
			for lines.Scan() {
				ts.Logf("server: %s", lines.Text())
			}
			if err := server.Wait(); err != nil {
				ts.Fatalf("server: %v", err)
			}
		})
		stops.Store(ts, stop)
		ts.Defer(stop)
	}
}

// settle DB waits until every event has its position and every full page of
// the feed is sealed: ARCHIVES of them.
func settle(ts *testscript.TestScript, _ bool, arguments []string) {
	want, err := strconv.Atoi(arguments[1])
	ts.Check(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ts.Check(ts.Exec("feedserver", "list", "--json", "--db", arguments[0]))
		var feeds []struct{ Pending, Archives int }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &feeds))
		if feeds[0].Pending == 0 && feeds[0].Archives == want {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not settled: %s", fmt.Sprint(feeds))
		}
	}
}

// follow FROM INTO starts a seeder that follows until the end of the script,
// and waits until it holds the consumer. It must end with status 0 when it is
// asked to.
func follow(bin string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, arguments []string) {
		seeder := exec.CommandContext(context.Background(), filepath.Join(bin, "seeder"), "run", "--follow", "--from", arguments[0], "--into", arguments[1])
		seeder.Dir = ts.Getenv("WORK")
		stderr, err := seeder.StderrPipe()
		ts.Check(err)
		ts.Check(seeder.Start())
		lines := bufio.NewScanner(stderr)
		for lines.Scan() && !strings.Contains(lines.Text(), "msg=following") {
			ts.Logf("seeder: %s", lines.Text())
		}
		ts.Defer(func() {
			ts.Check(seeder.Process.Signal(syscall.SIGTERM))
			for lines.Scan() {
				ts.Logf("seeder: %s", lines.Text())
			}
			if err := seeder.Wait(); err != nil {
				ts.Fatalf("seeder: %v", err)
			}
		})
	}
}
