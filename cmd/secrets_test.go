package cmd_test

import (
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// secretWord is what no output may have in it.
const secretWord = "sekret"

// hides FILE COMMAND… runs a command once for each line of FILE, which stands
// in the place of {}. HOST in it is the server's. None may succeed, or show the
// secret word.
func hides(bin string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, arguments []string) {
		host := strings.TrimPrefix(ts.Getenv("URL"), "http://")
		for line := range strings.Lines(ts.ReadFile(arguments[0])) {
			value := strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "HOST", host)
			var all []string
			for _, a := range arguments[1:] {
				all = append(all, strings.ReplaceAll(a, "{}", value))
			}
			if path := filepath.Join(bin, all[0]); all[0] == "feedserver" || all[0] == "seeder" {
				all[0] = path
			}
			command := exec.Command(all[0], all[1:]...)
			command.Dir = ts.Getenv("WORK")
			command.Env = []string{"PATH=" + ts.Getenv("PATH")}
			out, err := command.CombinedOutput()
			if strings.Contains(string(out), secretWord) {
				ts.Fatalf("%q shows it:\n%s", all, out)
			}
			if err == nil || len(out) == 0 {
				ts.Fatalf("%q: want an error\n%s", all, out)
			}
		}
	}
}
