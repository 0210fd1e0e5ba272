package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// metrics.md explains every message that the sources log with level WARN or ERROR.
func TestEveryWarningIsExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("metrics.md")
	must.OK(t, err)
	found := 0
	for _, folder := range []string{"../cmd", "../internal", "../seed", "../outbox"} {
		must.OK(t, filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "../internal/testing/") {
				return err
			}
			messages, err := warnings(path)
			for _, message := range messages {
				found++
				if !strings.Contains(string(text), "`"+message+"`") {
					t.Errorf("%s: not in metrics.md: %s", path, message)
				}
			}
			return err
		}))
	}
	if found < 5 {
		t.Errorf("%d warnings found in the sources", found)
	}
}

// metrics.md says of every alert what it means and what to do first.
func TestEveryAlertIsExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("metrics.md")
	must.OK(t, err)
	rules, err := os.ReadFile("../deploy/alerts.yaml")
	must.OK(t, err)
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(string(rules), -1)
	if len(alerts) < 5 {
		t.Errorf("%d alerts found", len(alerts))
	}
	for _, alert := range alerts {
		if !regexp.MustCompile("(?m)^\\| [^|]*`" + alert[1] + "`[^|]* \\|").Match(text) {
			t.Errorf("not in metrics.md: %s", alert[1])
		}
	}
}

// warnings returns what a source file logs with level WARN or ERROR.
func warnings(path string) (messages []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isWarning(method) {
			return true
		}
		text := call.Args[0]
		if method.Sel.Name == "Log" { // of a context and a level that is worked out
			text = call.Args[2]
		}
		if literal, ok := text.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			message, unquoteErr := strconv.Unquote(literal.Value)
			if unquoteErr != nil {
				err = unquoteErr
			}
			messages = append(messages, message)
		}
		return true
	})
	return messages, err
}

// isWarning reports whether a method logs a warning or an error, or hands the
// text of one on.
func isWarning(method *ast.SelectorExpr) bool {
	receiver, _ := method.X.(*ast.Ident)
	switch method.Sel.Name {
	case "Warn", "WarnContext", "Error", "ErrorContext", "Log":
		return true
	case "is":
		return receiver != nil && receiver.Name == "outage"
	}
	return false
}
