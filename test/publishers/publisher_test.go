//go:build unix

package publishers_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/cli"
)

// build builds the seeder as it is shipped.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "seeder")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/seeder").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// heldPause is how long a publisher waits that found another one at work.
const heldPause = 300 * time.Millisecond

// supervised is a publisher that is started again whenever it ends, as systemd or Kubernetes does it.
type supervised struct {
	t       *testing.T
	command []string

	mu      sync.Mutex
	process *exec.Cmd // nil between two of them
	killed  bool      // this process
	starts  int
	held    int           // how often it found another one at work
	done    chan struct{} // closed when it is started no more
}

// supervise runs a publisher until the context ends.
func supervise(ctx context.Context, t *testing.T, command ...string) *supervised {
	s := &supervised{t: t, command: command, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for ctx.Err() == nil {
			s.once(ctx)
		}
	}()
	t.Cleanup(func() {
		s.kill()
		<-s.done
	})
	return s
}

// once runs the publisher until it ends. Only a kill, the end of the context, and another publisher that
// holds the consumer end it.
func (s *supervised) once(ctx context.Context) {
	var said bytes.Buffer
	process := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) }
	process.Stdout, process.Stderr = &said, &said
	s.mu.Lock()
	err := process.Start()
	s.process, s.killed, s.starts = process, false, s.starts+1
	s.mu.Unlock()
	if err == nil {
		err = process.Wait()
	}
	s.mu.Lock()
	killed := s.killed
	s.process = nil
	s.mu.Unlock()
	exit := &exec.ExitError{}
	switch {
	case killed, ctx.Err() != nil:
	case errors.As(err, &exit) && exit.ExitCode() == cli.StatusHeld:
		s.mu.Lock()
		s.held++
		s.mu.Unlock()
		time.Sleep(heldPause)
	default:
		s.t.Errorf("the publisher ended: %v\n%s", err, &said)
		time.Sleep(heldPause)
	}
}

// kill kills the process with SIGKILL, if there is one.
func (s *supervised) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.Process != nil {
		s.killed = true
		_ = s.process.Process.Signal(syscall.SIGKILL)
	}
}
