package docs_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// walkTools is what the shell of a walk can do beside what the document says. settle waits
// until the events of the database shop have positions, and the seeder in the background, if
// there is one, has applied them.
const walkTools = `
trap 'kill $(jobs -p) && wait || true' EXIT
settle() {
  for _ in {1..300}; do
    if [ "$(psql shop -Atc 'SELECT count(*) FROM eventfeed.pending')" = 0 ] && { ! kill -0 %2 2>/dev/null ||
      [ "$(psql shop -Atc 'SELECT max(position) FROM eventfeed.positions')" = "$(psql shipping -Atc "SELECT position FROM eventfeed_seed.checkpoints WHERE consumer = 'shipping'")" ]; }; then
      return
    fi
    sleep 0.1
  done
}
`

var walkBlocks = regexp.MustCompile("(?s)\n *```(sh|sql|text)\n(.*?)\n *```")

// walk copies the blocks of a document, in their order, into a shell like that of make
// shell, after what setup does there. It returns what they print, and the document's
// blocks of text. SQL goes into the database shop, a projection into the file shipping.sql.
func walk(t *testing.T, document, setup string, replace ...string) (printed string, shown []string) {
	t.Helper()
	text, err := os.ReadFile(document)
	must.OK(t, err)
	script := strings.Builder{}
	script.WriteString("PATH=" + programs + ":$PATH\n" + walkTools + setup)
	for _, block := range walkBlocks.FindAllStringSubmatch(string(text), -1) {
		copied := strings.TrimLeft(block[2], " ") + "\n" // a block in a list is indented
		switch {
		case block[1] == "text":
			shown = append(shown, copied)
		case block[1] == "sql" && strings.Contains(copied, "\n-- on "):
			script.WriteString("cat >shipping.sql <<'SQL'\n" + copied + "SQL\n")
		case block[1] == "sql":
			script.WriteString("psql shop -v ON_ERROR_STOP=1 <<'SQL'\n" + copied + "SQL\n")
		case !strings.Contains(copied, "make shell\n") && !strings.HasPrefix(copied, "make "):
			script.WriteString(copied)
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", testprocess.FreePorts(t, 1))
	replacer := strings.NewReplacer(append(replace, "127.0.0.1:8080", address, "sleep 1\n", "settle\n", "\ncreatedb shipping\n", "\nsettle\ncreatedb shipping\n")...)
	postgres := testcluster.New(t) // as make shell makes one
	postgres.Start(t)
	shell, err := filepath.Abs("../examples/shell")
	must.OK(t, err)
	command := exec.CommandContext(t.Context(), shell, "bash", "-euo", "pipefail", "-c", replacer.Replace(script.String()))
	command.Dir, command.Env = t.TempDir(), append(os.Environ(), "EVENTFEED_LISTEN="+address,
		"EVENTFEED_TEST_POSTGRES="+postgres.URL(), "EVENTFEED_TEST_PGBIN="+need.PostgresBin(t))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out), shown
}

// mustShow checks that a walk has printed what its document shows.
func mustShow(t *testing.T, printed string, shown ...string) {
	t.Helper()
	if len(shown) == 0 {
		t.Error("nothing is shown")
	}
	for _, text := range shown {
		if !strings.Contains(printed, text) {
			t.Errorf("%s\nwant in it:\n%s", printed, text)
		}
	}
}

// Whoever copies the README's blocks has a second database, with the inbox and the table of
// the projection.
func TestREADMECanBeCopied(t *testing.T) {
	t.Parallel()
	printed, _ := walk(t, "../README.md", "", "--schema shipping\n", "--schema shipping\npsql shipping -Atc 'TABLE shipping.shipments'\npsql shipping -Atc 'SELECT count(*), max(type) FROM eventfeed_inbox.events'\n")
	mustShow(t, printed, "\no-1|c-7|created\n", "\n1|OrderCreated\n")
}

func TestGettingStartedCanBeCopied(t *testing.T) {
	t.Parallel()
	need.Tool(t, "curl")
	printed, shown := walk(t, "getting-started.md", "")
	mustShow(t, printed, shown...)
	if digests := regexp.MustCompile("(?m)^position 4 digest .*$").FindAllString(printed, -1); len(digests) != 3 || digests[0] != digests[1] || digests[1] != digests[2] {
		t.Errorf("digests: %q", digests)
	}
}

func TestWaysToPublishCanBeCopied(t *testing.T) {
	t.Parallel()
	need.Tool(t, "curl")
	printed, shown := walk(t, "publish.md", `
createdb shop
psql shop -c "CREATE ROLE shop LOGIN"
`, "curl -sS", "settle\ncurl -sS --retry 9 --retry-connrefused")
	mustShow(t, printed, shown...)
}

func TestWaysOutCanBeCopied(t *testing.T) {
	t.Parallel()
	need.Tool(t, "python3")
	printed, _ := walk(t, "leaving.md", `
sqlite3() { # as the program does it
  python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for row in db.execute(sys.argv[2]).fetchall() if len(sys.argv) > 2 else []: print(*row, sep="|")
db.executescript(sys.stdin.read() if len(sys.argv) < 3 else "")' "$@"
}
createdb shop
psql shop -c "CREATE ROLE eventfeed_writer NOLOGIN" -c "CREATE ROLE eventfeed_server NOLOGIN" -c "CREATE TABLE orders ()"
feedserver create orders --db postgres:///shop
psql shop -c "SELECT count(eventfeed.append('orders', 'OrderPaid', 'o-' || n, '{\"n\": 1}')) FROM generate_series(1, 600) n"
feedserver serve --db postgres:///shop &
settle
createdb shipping
psql shipping -c "CREATE TABLE shipments ()"
seeder run --from http://127.0.0.1:8080/feeds/orders --into postgres:///shipping
`, `psql shop -c "DROP SCHEMA`, `kill %1
wait
psql shop -c "DROP SCHEMA`, "rm -f export.db.lock", `rm -f export.db.lock
echo "left in the file: $(sqlite3 export.db "SELECT name FROM sqlite_master WHERE name LIKE '%eventfeed%'")"`)
	mustShow(t, printed, "\nleft in the file: \n", "\n600 orders.ndjson\n", "\norders: 600 events appended in ", "\nDROP ROLE\n")
}

// The reader of a stream prints the whole history, and what comes after it.
func TestStreamReaderReadsTheWholeHistory(t *testing.T) {
	t.Parallel()
	interpreter := need.Tool(t, "python3")
	text, err := os.ReadFile("representations.md")
	must.OK(t, err)
	reader := regexp.MustCompile("(?s)```python\n(.*?)```").FindStringSubmatch(string(text))
	if reader == nil {
		t.Fatal("no Python in representations.md")
	}
	folder := t.TempDir()
	run := func(command ...string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), command[0], command[1:]...)
		c.Dir = folder
		return c
	}
	appendEvents := func(first, last int) {
		feed := run(programs+"/feedserver", "append", "orders")
		var events strings.Builder
		for n := first; n <= last; n++ {
			fmt.Fprintf(&events, `{"specversion":"1.0","id":"%d","source":"/s","type":"T","subject":"o-%d","data":{"n":%d}}`+"\n", n, n, n)
		}
		feed.Stdin = strings.NewReader(events.String())
		out, err := feed.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	must.OK(t, run(programs+"/feedserver", "create", "orders", "--page-size", "10").Run())
	appendEvents(1, 95)
	server := run(programs+"/feedserver", "serve", "--listen", "127.0.0.1:0")
	log, err := server.StderrPipe()
	must.OK(t, err)
	must.OK(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	address := ""
	for lines := bufio.NewScanner(log); address == "" && lines.Scan(); {
		_, after, _ := strings.Cut(lines.Text(), "msg=serving url=http://")
		address, _, _ = strings.Cut(after, "/")
	}
	python := run(interpreter, "-u", "-c", strings.ReplaceAll(reader[1], "127.0.0.1:8080", address))
	printed, err := python.StdoutPipe()
	must.OK(t, err)
	must.OK(t, python.Start())
	t.Cleanup(func() { _ = python.Process.Kill(); _ = python.Wait() })
	lines := bufio.NewScanner(printed)
	for n := 1; n <= 100; n++ {
		if n == 96 {
			appendEvents(96, 100)
		}
		if want := fmt.Sprintf("%d T o-%d {'n': %d}", n, n, n); !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q, %v, want %q", lines.Text(), lines.Err(), want)
		}
	}
}
