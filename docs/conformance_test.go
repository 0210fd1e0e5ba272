package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

var namedTest = regexp.MustCompile("^`([a-z]+)\\.(Test\\w+)`$")

// Every requirement in conformance.md has a test, and the test is there.
func TestEveryRequirementHasATest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("conformance.md")
	must.OK(t, err)
	there, rows := testsByFolder(t, ".."), 0
	for n, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasSuffix(line, "| test |") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		name := namedTest.FindStringSubmatch(cells[len(cells)-1])
		switch {
		case len(cells) < 3 || cells[0] == "" || name == nil:
			t.Errorf("conformance.md:%d: section, requirement and one test: %s", n+1, line)
		case !there[name[1]+"."+name[2]]:
			t.Errorf("conformance.md:%d: there is no test %s in a folder %s", n+1, name[2], name[1])
		}
	}
	if rows < 100 {
		t.Errorf("only %d requirements are listed", rows)
	}
}

// testsByFolder returns the tests below a folder, as name of the folder that
// holds them, a dot, and their own name.
func testsByFolder(t *testing.T, root string) map[string]bool {
	t.Helper()
	tests := map[string]bool{}
	must.OK(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				tests[filepath.Base(filepath.Dir(path))+"."+f.Name.Name] = true
			}
		}
		return nil
	}))
	return tests
}
