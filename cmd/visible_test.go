package cmd_test

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

// forged is what the hostile values of the scripts try to put into a line of its own.
const forged = "all is well"

// visible COMMAND… runs a command, whatever its status. Neither stream may hold what
// a terminal obeys or hides, or a line that a value has forged, and one of them must
// hold the value, escaped.
func visible(ts *testscript.TestScript, _ bool, arguments []string) {
	_ = ts.Exec(arguments[0], arguments[1:]...) // its status is not what is tested
	all := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	if again := terminal.Text(all); again != all {
		ts.Fatalf("characters that are not visible: %q", all)
	}
	for line := range strings.Lines(all) {
		if strings.HasPrefix(strings.TrimSpace(line), forged) || strings.HasPrefix(line, "seeder: "+forged) {
			ts.Fatalf("a value forged a line: %q", line)
		}
	}
	if !strings.Contains(all, `\x`) && !strings.Contains(all, `\u`) && !strings.Contains(all, "\ufffd") {
		ts.Fatalf("nothing of the hostile value is shown: %q", all)
	}
}
