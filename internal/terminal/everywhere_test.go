package terminal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "../.."

// mayName lists the files that may name the process's standard output and error.
var mayName = []string{
	"internal/cli/cli.go",                 // which puts the writers before them
	"internal/execsink/supervise_unix.go", // in a process of its own, whose output the seeder takes
}

// All that the commands print goes through Writer, and each value in it through
// Fprintf: nothing else prints.
func TestNothingElsePrints(t *testing.T) {
	t.Parallel()
	files := 0
	for _, folder := range []string{"cmd", "event", "internal", "outbox", "seed"} {
		err := filepath.WalkDir(filepath.Join(module, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			name, err := filepath.Rel(module, path)
			if err == nil {
				err = checkFile(t, path, filepath.ToSlash(name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("only %d files were looked at", files)
	}
}

func checkFile(t *testing.T, path, name string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		if used := forbidden(node, name); used != "" {
			t.Errorf("%s: %s: print with terminal.Fprintf to the command's OutOrStdout or ErrOrStderr", set.Position(node.Pos()), used)
		}
		return true
	})
	return nil
}

// forbidden names a way past the writers, or past Fprintf in what commands are made of.
func forbidden(node ast.Node, file string) string {
	switch n := node.(type) {
	case *ast.CallExpr:
		if name, is := n.Fun.(*ast.Ident); is && (name.Name == "print" || name.Name == "println") {
			return name.Name
		}
	case *ast.SelectorExpr:
		of, _ := n.X.(*ast.Ident)
		pkg := ""
		if of != nil {
			pkg = of.Name
		}
		used := pkg + "." + n.Sel.Name
		switch {
		case slices.Contains([]string{"os.Stdout", "os.Stderr", "syscall.Stdout", "syscall.Stderr"}, used) && !slices.Contains(mayName, file):
			return used
		case slices.Contains([]string{"fmt.Print", "fmt.Printf", "fmt.Println", "slog.Default", "slog.NewJSONHandler"}, used):
			return used
		case pkg == "log" && (strings.HasPrefix(n.Sel.Name, "Print") || strings.HasPrefix(n.Sel.Name, "Fatal") || n.Sel.Name == "Default"):
			return used
		case !inCommands(file):
		case strings.HasPrefix(used, "fmt.Fprint"), used == "command.Print", strings.HasPrefix(n.Sel.Name, "PrintErr"):
			return used
		}
	}
	return ""
}

// inCommands reports whether a file's output is for people.
func inCommands(file string) bool {
	return strings.HasPrefix(file, "cmd/") || strings.HasPrefix(file, "internal/progress/") ||
		strings.HasPrefix(file, "internal/cli/") && file != "internal/cli/quote.go"
}
