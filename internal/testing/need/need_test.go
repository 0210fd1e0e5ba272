package need

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Whoever runs plain go test is told in one line how to run the tests that need something. They are
// skipped, except where all tests must run.
func TestWhatIsMissingSkipsATestOnlyWhereThatIsAllowed(t *testing.T) {
	t.Setenv(serverVar, "")
	t.Setenv(binVar, "")
	tools["test"] = []string{"eventfeed-no-such-program"}
	t.Cleanup(func() { delete(tools, "test") })
	for name, test := range map[string]struct{ ci, all, want string }{
		"plain go test":       {"", "", "skipped"},
		"on CI":               {"true", "", "failed"},
		"below test/postgres": {"", "1", "failed"},
	} {
		t.Setenv("CI", test.ci)
		t.Setenv(allVar, test.all)
		for missing, call := range map[string]func(testing.TB){
			"PostgreSQL, its server":   func(t testing.TB) { Postgres(t) },
			"PostgreSQL, its programs": func(t testing.TB) { PostgresBin(t) },
			"test":                     func(t testing.TB) { Tool(t, "test") },
		} {
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() { // Fatal and Skip end their goroutine
				defer close(done)
				call(r)
			}()
			<-done
			what, _, _ := strings.Cut(missing, ",")
			if r.outcome != test.want || strings.Contains(r.text, "\n") || !strings.Contains(r.text, "no "+what+" ") || !strings.Contains(r.text, "make test") {
				t.Errorf("%s, %s: %s with %q, want %s with one line that names what is missing and make test", name, missing, r.outcome, r.text, test.want)
			}
		}
	}
}

type recorder struct {
	testing.TB
	outcome, text string
}

func (r *recorder) Fatal(args ...any) { r.end("failed", args) }
func (r *recorder) Skip(args ...any)  { r.end("skipped", args) }

func (r *recorder) end(outcome string, args []any) {
	r.outcome, r.text = outcome, fmt.Sprint(args...)
	runtime.Goexit()
}

func TestPostgresBinHoldsThePrograms(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(PostgresBin(t) + "/" + program); err != nil {
			t.Error(err)
		}
	}
}

// make test installs whatever a test may need.
func TestToolsAreThoseOfInstallTools(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../../test/install-tools")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^\[ \$# -gt 0 \] \|\| set -- (.*)$`).FindSubmatch(script)
	if all == nil {
		t.Fatal("test/install-tools has no default")
	}
	// The race detector needs gcc, and no test.
	want := slices.DeleteFunc(strings.Fields(string(all[1])), func(name string) bool { return name == "postgresql" || name == "gcc" })
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(tools)); !slices.Equal(got, want) {
		t.Errorf("tools: %q, test/install-tools has %q", got, want)
	}
}

// Without PostgreSQL the examples that need one do not run, whatever else is to be skipped.
func TestExamplesAreSkippedBesideWhatTheUserSkips(t *testing.T) {
	t.Parallel()
	for _, skip := range []string{"", "^TestOther$", "TestOther/part|TestAnother"} {
		command := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^Example", "-test.skip="+skip)
		command.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
			return strings.HasPrefix(v, "EVENTFEED_TEST_") || strings.HasPrefix(v, "CI=")
		})
		if out, err := command.CombinedOutput(); err != nil || strings.Contains(string(out), "=== RUN") {
			t.Errorf("-skip %q: %v\n%s", skip, err, out)
		}
	}
}

func ExamplePostgresOfExample() {
	_, err := PostgresOfExample()
	fmt.Println(err)
	// Output: <nil>
}

// A test that looks for a program by itself fails where others are skipped, or finds another program.
func TestEveryTestFindsItsToolsHere(t *testing.T) {
	t.Parallel()
	programs := []string{"python", "psql", "pg_dump", "createdb", "java", "xmllint", "docker"}
	for _, places := range tools {
		programs = append(programs, places...)
	}
	for i, program := range programs {
		programs[i] = regexp.QuoteMeta(program)
	}
	own := regexp.MustCompile(`exec\.LookPath\(|/usr/s?bin/|EVENTFEED_TEST_(POSTGRES|PGBIN|ALL)"|exec\.Command(Context)?\(([\w.]+(\(\))?, )?"(` + strings.Join(programs, "|") + `)"`)
	root := filepath.Join("..", "..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go"), filepath.Base(filepath.Dir(path)) == "need":
			return nil
		case !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "/testing/"):
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		for i, line := range strings.Split(string(text), "\n") {
			if found := own.FindString(line); found != "" {
				t.Errorf("%s:%d: %s: ask package need for it", path, i+1, found)
			}
		}
		return err
	})
	if err != nil || files < 100 {
		t.Errorf("%d files read: %v", files, err)
	}
}

// So does a script that runs a tool before the line that needs it.
func TestEveryScriptNeedsTheToolsThatItRuns(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("../../../cmd/testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts: %v", len(scripts), err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name := range tools {
			before, _, _ := strings.Cut(string(text), "\nneed "+name+"\n")
			if strings.HasPrefix(before, "need "+name+"\n") {
				continue
			}
			if regexp.MustCompile(`(?m)^(! )?exec ` + name + ` `).MatchString(before) {
				t.Errorf("%s runs %s without the line before: need %[2]s", path, name)
			}
		}
	}
}
