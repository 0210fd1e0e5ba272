//go:build unix

package testproxy

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// process is a proxy that runs, all of its processes in one group.
type process struct {
	log   string
	hold  io.Closer     // whose end ends them all
	ended chan struct{} // closed when they have
	stop  func() string // stops them, and returns what they had to say
}

// keeper runs a program and kills all of its group when the program has ended, or when standard
// input has, which it does at the latest with this process.
const keeper = `{ "$@" </dev/null; kill -KILL 0; } & cat >/dev/null; kill -KILL 0`

// run runs a command until the test ends.
func run(t testing.TB, p *proxy, folder string, arguments []string) *process {
	t.Helper()
	path := need.Tool(t, p.tool)
	r := &process{log: filepath.Join(folder, "log"), ended: make(chan struct{})}
	output, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", append([]string{"-c", keeper, "sh", path}, arguments...)...)
	command.Dir, command.Stdout, command.Stderr = folder, output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal to ours gets at it
	if r.hold, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = command.Wait()
		_ = output.Close()
		close(r.ended)
	}()
	r.stop = sync.OnceValue(func() string {
		_ = r.hold.Close()
		<-r.ended
		return tail(r.log)
	})
	t.Cleanup(func() { r.finish(t, p, folder) })
	return r
}

// finish ends a process with its test, and shows its log if the test failed.
func (r *process) finish(t testing.TB, p *proxy, folder string) {
	more := ""
	if t.Failed() && len(p.more) > 0 {
		command := exec.CommandContext(context.WithoutCancel(t.Context()), p.more[0], p.more[1:]...)
		command.Args = append(command.Args, filepath.Join(folder, "work"))
		out, _ := command.CombinedOutput() // no more than a help
		more = end(string(out))
	}
	said := r.stop()
	if t.Failed() {
		t.Logf("%s:\n%s%s", p.tool, said, more)
	}
}

// waitFor waits until the log has a text, and reports false if the process ends without it.
func (r *process) waitFor(t testing.TB, text string) bool {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if strings.Contains(tail(r.log), text) {
			return true
		}
		select {
		case <-r.ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("not ready:\n%s", tail(r.log))
	return false
}

// tail returns the end of a log.
func tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return end(string(content))
}

func end(text string) string { return text[max(0, len(text)-20_000):] }
