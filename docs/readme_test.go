package docs_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
)

// Whoever copies the README's first blocks, in the shell of make shell, has a second
// database that is filled, and sees what the README shows.
func TestFirstStepsOfTheREADMECanBeCopied(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	must.OK(t, err)
	first, _, found := strings.Cut(string(text), "\n## What it promises\n")
	if !found {
		t.Fatal("the README has no section after its first steps")
	}
	blocks := regexp.MustCompile("(?s)```(sh|text)\n(.*?)```").FindAllStringSubmatch(first, -1)
	if len(blocks) < 3 || blocks[0][2] != "make shell\n" {
		t.Fatalf("first steps: %q", blocks)
	}
	var script, shown strings.Builder
	for _, block := range blocks[1:] {
		if block[1] == "sh" {
			script.WriteString(block[2])
		} else {
			shown.WriteString(block[2])
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.OK(t, err)
	address := listener.Addr().String()
	must.OK(t, listener.Close())
	postgres := testcluster.New(t) // as make shell makes one
	postgres.Start(t)
	command := exec.CommandContext(t.Context(), "../examples/shell", "bash", "-euo", "pipefail", "-c",
		"PATH="+programs+":$PATH\ntrap 'kill %1 && wait || true' EXIT\n"+strings.ReplaceAll(script.String(), "127.0.0.1:8080", address))
	command.Env = append(os.Environ(), "EVENTFEED_LISTEN="+address,
		"EVENTFEED_TEST_POSTGRES="+postgres.URL(), "EVENTFEED_TEST_PGBIN="+need.PostgresBin(t))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), shown.String()) {
		t.Errorf("%s\nwant in it:\n%s", out, shown.String())
	}
}

// The reader of a stream prints the whole history, and what comes after it.
func TestStreamReaderOfTheREADMEReadsTheWholeHistory(t *testing.T) {
	t.Parallel()
	interpreter := need.Tool(t, "python3")
	text, err := os.ReadFile("../README.md")
	must.OK(t, err)
	reader := regexp.MustCompile("(?s)```python\n(.*?)```").FindStringSubmatch(string(text))
	if reader == nil {
		t.Fatal("no Python in the README")
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
