package cmd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs is the folder with both commands, built once: to link them takes longer
// than most tests.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "eventfeed-cmd"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(programs) }()
		build := exec.CommandContext(context.Background(), "go", "build", "-o", programs+string(filepath.Separator), "./feedserver", "./seeder")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// install puts both commands into a folder.
func install(t *testing.T, folder string) {
	t.Helper()
	for _, name := range []string{"feedserver", "seeder"} {
		if err := os.Symlink(filepath.Join(programs, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
}
