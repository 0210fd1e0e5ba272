//go:build unix

package cmd_test

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

// A terminal shows the bar while a seed lasts, and then the report, with nothing
// left of the bar.
func TestTerminalShowsTheBarAndThenTheReport(t *testing.T) {
	t.Parallel()
	log := testdb.SQLite(t)
	l := storetest.Open(t, log)
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 205))
	server := operate(t, log)
	server.waitFor(t, "eventfeed_feed_archives", 20)
	slow := testproxy.NewFaulty(t, strings.TrimPrefix(server.feeds, "http://"))
	slow.Add("latency", map[string]int{"latency": 60}) // so that the bar is drawn several times
	h := newHouse(t)
	command := exec.CommandContext(t.Context(), filepath.Join(h.folder, "seeder"), "run", "--from", "http://"+slow.Address()+"/feeds/orders", "--into", testdb.SQLite(t), "--prefetch", "1")
	command.Env = []string{"TERM=xterm"}
	terminal, err := pty.StartWithSize(command, &pty.Winsize{Rows: 24, Cols: 80})
	must.OK(t, err)
	defer func() { _ = terminal.Close() }()
	var shown bytes.Buffer
	_, _ = io.Copy(&shown, terminal) // ends with an error when the seeder has gone
	must.OK(t, command.Wait())

	bar := regexp.MustCompile(`\r +\d+% \|█* *\|  [\d,]+/205 events[^\r\n]*, \d+ pages?[^\r\n]*\x1b\[K`)
	before, report, ended := strings.Cut(shown.String(), "events by type\r\n")
	if !ended || !bar.MatchString(before) {
		t.Fatalf("no bar before the report: %q", shown.String())
	}
	if !strings.HasSuffix(before, "\r\x1b[K") {
		t.Errorf("the bar stays: %q", before)
	}
	for _, want := range []string{"\r\nevents\r\n  read     205\r\n  applied  205\r\n", "event times\r\n", "took\r\n", "  commit ", "\r\norders: 205 events applied in ", "\r\nposition 205 digest "} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q: %q", want, report)
		}
	}
	if strings.Contains(report, "\x1b") {
		t.Errorf("escapes in the report: %q", report)
	}
}
