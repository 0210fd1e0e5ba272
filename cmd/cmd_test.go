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
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

func TestScripts(t *testing.T) {
	t.Parallel()
	bin := programs
	params := testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Values[testOfScript{}] = env.T()
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			// All scripts share this folder. Whether others may enter it decides which warnings
			// they see, so no script may be the one that says so.
			return os.Chmod(filepath.Dir(env.WorkDir), 0o711)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"postgres":  postgres,
			"rabbitmq":  rabbitmq,
			"queue":     queue,
			"kafka":     kafka,
			"topic":     topic,
			"nats":      startNATS,
			"stream":    stream,
			"mqstream":  mqstream,
			"serve":     serve(bin),
			"follow":    follow(bin),
			"settle":    settle,
			"status":    status,
			"refused":   refused,
			"powerless": powerless,
			"write":     write,
			"pack":      pack,
			"events":    events,
			"tamper":    tamper,
			"epoch":     epoch,
			"role":      role,
			"url":       setURL,
			"sql":       execute,
			"rows":      rows,
			"bouncer":   bouncer,
			"hostile":   hostile,
			"old":       old,
			"passwords": passwords,
			"hides":     hides(bin),
			"reach":     reach,
			"shutdown":  shutdown,
			"copydb":    copyDatabase,
			"files":     files,
			"visible":   visible,
			"need":      needTool,
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	}
	testscript.Run(t, params)
	t.Run("pooled", func(t *testing.T) {
		t.Parallel()
		setup := params.Setup
		params.Dir, params.Files = "", []string{"testdata/hostile.txtar"}
		params.Setup = func(env *testscript.Env) error {
			env.Setenv("POOLED", "1")
			return setup(env)
		}
		testscript.Run(t, params)
	})
}

// testOfScript is the key of a script's own test.
type testOfScript struct{}

// testOf returns the test that one script is. What it lacks skips or fails that script and no other,
// and what it was given goes with it.
func testOf(ts *testscript.TestScript) testing.TB { return ts.Value(testOfScript{}).(testing.TB) }

// needTool TOOL skips the script where there is no such tool, or fails where all tests must run.
func needTool(ts *testscript.TestScript, _ bool, arguments []string) {
	need.Tool(testOf(ts), arguments[0])
}

// postgres NAME sets the variable NAME to the URL of a new database for its
// owner, NAME_SERVER and NAME_WRITER to that for users with these roles.
func postgres(ts *testscript.TestScript, _ bool, arguments []string) {
	t := testOf(ts)
	name, url := arguments[0], testdb.Postgres(t)
	ts.Setenv(name, url)
	ts.Setenv(name+"_SERVER", testdb.As(url, testdb.Server))
	ts.Setenv(name+"_WRITER", testdb.As(url, testdb.Writer))
}

// bouncer NAME sets the variables that postgres NAME has set to URLs through a
// PgBouncer in transaction mode.
func bouncer(ts *testscript.TestScript, _ bool, arguments []string) {
	t := testOf(ts)
	name := arguments[0]
	url := testdb.Bouncer(t, ts.Getenv(name))
	ts.Setenv(name, url)
	ts.Setenv(name+"_SERVER", testdb.As(url, testdb.Server))
	ts.Setenv(name+"_WRITER", testdb.As(url, testdb.Writer))
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

// serve DB [FLAG…] starts a server, with a server's rights, until shutdown or the end of the script, on a
// free port, and sets URL and ADDRESS, and OPERATIONS to the URL of its private listener. It must end with
// status 0 when it is asked to.
func serve(bin string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, arguments []string) {
		server := exec.CommandContext(context.Background(), filepath.Join(bin, "feedserver"), append([]string{"serve", "--db", asServer(arguments[0]), "--listen", "127.0.0.1:0"}, arguments[1:]...)...)
		server.Dir = ts.Getenv("WORK")
		stderr, err := server.StderrPipe()
		ts.Check(err)
		ts.Check(server.Start())
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if match := privateURL.FindStringSubmatch(lines.Text()); match != nil {
				ts.Setenv("OPERATIONS", match[1])
			}
			if match := servingURL.FindStringSubmatch(lines.Text()); match != nil {
				ts.Setenv("URL", match[1])
				ts.Setenv("ADDRESS", strings.TrimPrefix(match[1], "http://"))
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

// asServer returns a database URL for the user that serves, whose schema the
// owner has made.
func asServer(database string) string {
	if postgresdb.IsURL(database) {
		return testdb.As(database, testdb.Server)
	}
	return database
}

// settle DB ARCHIVES [FEED] waits until every event of the feed, or of the
// first one, has its position and this many pages are sealed.
func settle(ts *testscript.TestScript, _ bool, arguments []string) {
	want, err := strconv.Atoi(arguments[1])
	ts.Check(err)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ts.Check(ts.Exec("feedserver", "list", "--json", "--db", arguments[0]))
		var feeds []struct {
			Name              string
			Pending, Archives int
		}
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &feeds))
		for i, f := range feeds {
			wanted := i == 0
			if len(arguments) > 2 {
				wanted = f.Name == arguments[2]
			}
			if wanted && f.Pending == 0 && f.Archives == want {
				return
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not settled: %s", fmt.Sprint(feeds))
		}
	}
}

// reach INTO POSITION waits until a seeder holds the consumer and has applied
// the events up to a position.
func reach(ts *testscript.TestScript, _ bool, arguments []string) {
	want := regexp.MustCompile(`(?m)"position": ` + arguments[1] + `,$`)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec("seeder", "status", "--json", "--offline", "--into", arguments[0]))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not there: %s", ts.ReadFile("stdout"))
		}
	}
}

// follow FROM INTO [FLAG…] starts a seeder that follows until the end of the script,
// and waits until it holds the consumer. With --listen it sets PAGE to the URL of
// the seeder's page. It must end with status 0 when it is asked to.
func follow(bin string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, arguments []string) {
		seeder := exec.CommandContext(context.Background(), filepath.Join(bin, "seeder"), slices.Concat([]string{"run", "--follow", "--from", arguments[0], "--into", arguments[1]}, arguments[2:])...)
		seeder.Dir = ts.Getenv("WORK")
		stderr, err := seeder.StderrPipe()
		ts.Check(err)
		ts.Check(seeder.Start())
		lines := bufio.NewScanner(stderr)
		for lines.Scan() && !strings.Contains(lines.Text(), "msg=following") {
			if match := privateURL.FindStringSubmatch(lines.Text()); match != nil {
				ts.Setenv("PAGE", match[1])
			}
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
