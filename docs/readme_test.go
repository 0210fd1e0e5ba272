package docs_test

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Whoever copies the README's first blocks, in the shell of make shell, has a second
// database that is filled, and sees what the README shows.
func TestFirstStepsOfTheREADMECanBeCopied(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	must(t, err)
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
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	command := exec.CommandContext(t.Context(), "../test/postgres", "../examples/shell", "bash", "-euo", "pipefail", "-c",
		"PATH="+programs+":$PATH\ntrap 'kill %1 && wait || true' EXIT\n"+strings.ReplaceAll(script.String(), "127.0.0.1:8080", address))
	command.Env = append(os.Environ(), "EVENTFEED_LISTEN="+address)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), shown.String()) {
		t.Errorf("%s\nwant in it:\n%s", out, shown.String())
	}
}
