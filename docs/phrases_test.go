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

// neverRight are phrases that say nothing to a reader who looks for the standard term, with
// the term.
var neverRight = map[string]string{
	`(does not|do not) add up|adds up`: "is consistent; fails verification",
	`hang(s|ing)? on`:                  "depends on",
	`to be had`:                        "available from",
	`put aside`:                        "parked",
	`(is|are) passed over`:             "is skipped",
	`what may pass`:                    "transient errors",
	`beg(in|ins|an|un) anew`:           "starts over",
	`tak(e|es|ing) it up`:              "adopt",
	`it is told nothing else`:          "by default",
	`the same again is the same`:       "repeating a request returns the same result",
}

// TestNoPhraseComesBack in the documents and in what programs say: help, errors, logs.
func TestNoPhraseComesBack(t *testing.T) {
	t.Parallel()
	check := func(where, text string) {
		for phrase, instead := range neverRight {
			pattern := regexp.MustCompile(`(?i)\b` + strings.ReplaceAll(phrase, " ", `\s+`) + `\b`)
			if found := pattern.FindString(text); found != "" {
				t.Errorf("%s: %q; say: %s", where, found, instead)
			}
		}
	}
	must.OK(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && entry.Name() != "..", entry.Name() == "testdata":
			return fs.SkipDir
		case strings.HasSuffix(path, ".md"):
			text, err := os.ReadFile(path)
			check(path, string(text))
			return err
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			return eachLiteral(path, check)
		}
		return nil
	}))
}

// eachLiteral calls yield with every string that a Go file holds.
func eachLiteral(path string, yield func(where, text string)) error {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, is := n.(*ast.BasicLit); is && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				yield(files.Position(literal.Pos()).String(), text)
			}
		}
		return true
	})
	return nil
}
