package docs_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestGoOfTheREADMERuns compiles each block of Go in the README inside a program of
// testdata/readme, and runs them in their order: what the first one appends, the
// second one reads.
func TestGoOfTheREADMERuns(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	must.OK(t, err)
	database, target := testdb.Postgres(t), testdb.Postgres(t)
	log := storetest.Open(t, database)
	_, err = log.Create(t.Context(), store.Feed{Name: "orders"})
	must.OK(t, err)
	web := servertest.Serve(t, log)

	steps := []struct{ program, prints string }{
		{"append", "1 1\n"},
		{"seed", "o-1 OrderPaid\n"},
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(snippets) != len(steps) {
		t.Fatalf("the README has %d blocks of Go, and testdata/readme has programs for %d", len(snippets), len(steps))
	}
	for i, step := range steps {
		snippet := strings.ReplaceAll(snippets[i][1], "http://127.0.0.1:8080", web.URL)
		program := exec.CommandContext(t.Context(), buildSnippet(t, step.program, snippet))
		program.Env = append(os.Environ(), "DB="+database, "NEW="+target)
		out, err := program.CombinedOutput()
		if err != nil || string(out) != step.prints {
			t.Fatalf("%s: %v, printed %q, want %q", step.program, err, out, step.prints)
		}
		storetest.Drain(t, log, "orders")
	}
}

// indentedProgram matches a program in a comment: up to the next line that is not indented.
var indentedProgram = regexp.MustCompile(`\n\tpackage main\n(?:\t.*\n|\n)*`)

// TestProgramsInPackageCommentsCompile: a reader of go doc copies them whole.
func TestProgramsInPackageCommentsCompile(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"outbox/outbox.go", "seed/seedpgx/seedpgx.go", "seed/seedsqlite/seedsqlite.go", "seed/seedrabbitmq/seedrabbitmq.go", "seed/seedrabbitmqstream/seedrabbitmqstream.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), "../"+path, nil, parser.ParseComments|parser.PackageClauseOnly)
		must.OK(t, err)
		program := indentedProgram.FindString("\n" + file.Doc.Text())
		if program == "" {
			t.Errorf("%s: its comment has no program", path)
			continue
		}
		build(t, strings.ReplaceAll(filepath.Dir(path), "/", "_"), strings.ReplaceAll(program, "\n\t", "\n"))
	}
}

// TestGoOfPublishIsThatOfTheREADME, which runs.
func TestGoOfPublishIsThatOfTheREADME(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	must.OK(t, err)
	text, err := os.ReadFile("publish.md")
	must.OK(t, err)
	snippet := regexp.MustCompile("(?s)```go\n.*?```").FindString(string(text))
	if snippet == "" || !strings.Contains(string(readme), snippet) {
		t.Errorf("not in the README: %s", snippet)
	}
}

// buildSnippet compiles a program around a snippet of the README, and returns its path.
func buildSnippet(t *testing.T, name, snippet string) string {
	t.Helper()
	frame, err := os.ReadFile("testdata/readme/" + name + ".txt")
	must.OK(t, err)
	return build(t, name, strings.Replace(string(frame), "// SNIPPET", snippet, 1))
}

// build compiles a program as if it were a folder of this module, and returns its path.
func build(t *testing.T, name, program string) string {
	t.Helper()
	folder := t.TempDir()
	source, binary, overlay := filepath.Join(folder, "main.go"), filepath.Join(folder, name), filepath.Join(folder, "overlay.json")
	must.OK(t, os.WriteFile(source, []byte(program), 0o600))
	here, err := filepath.Abs("testdata/readme")
	must.OK(t, err)
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, name, "main.go"): source}})
	must.OK(t, err)
	must.OK(t, os.WriteFile(overlay, replaced, 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "-o", binary, "./testdata/readme/"+name).CombinedOutput()
	if err != nil {
		t.Fatalf("the Go of %s: %v\n%s\n%s", name, err, program, out)
	}
	return binary
}
