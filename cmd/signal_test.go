package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// output is what a program says, while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// begin starts a command of the house, and waits until it is so far.
func (h *house) begin(isReady func(said string) bool, name string, arguments ...string) (*exec.Cmd, *output) {
	h.t.Helper()
	command, said := exec.CommandContext(context.Background(), filepath.Join(h.folder, name), arguments...), &output{}
	command.Dir, command.Stdout, command.Stderr = h.folder, said, said
	if err := command.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = command.Process.Kill() })
	for deadline := time.Now().Add(30 * time.Second); !isReady(said.String()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("%s %q is not so far: %s", name, arguments, said)
		}
	}
	return command, said
}

func says(text string) func(string) bool {
	return func(said string) bool { return strings.Contains(said, text) }
}

// TestSignalThatComesTwiceAtOnceIsOne, as timeout(1) sends it to a process and to
// its group, or a shell and a supervisor do: the end is as graceful as after one.
func TestSignalThatComesTwiceAtOnceIsOne(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders", "--db", "sqlite:orders.db")
	server, saidServer := h.begin(says("msg=serving"), "feedserver", "serve", "--db", "sqlite:orders.db", "--listen", "127.0.0.1:0")
	url := servingURL.FindStringSubmatch(saidServer.String())[1]
	seeder, saidSeeder := h.begin(says("msg=following"), "seeder", "run", "--follow", "--from", url+"/feeds/orders", "--into", "sqlite:copy.db")
	for _, program := range []struct {
		command *exec.Cmd
		said    *output
		last    string
	}{{seeder, saidSeeder, "\nposition 0 digest "}, {server, saidServer, "msg=stopped"}} {
		for i := range 20 {
			s := syscall.SIGTERM
			if i%3 == 1 {
				s = syscall.SIGINT
			}
			if err := program.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
		if err := program.command.Wait(); err != nil || !strings.Contains(program.said.String(), program.last) {
			t.Errorf("%q: %v: %s", program.command.Args, err, program.said)
		}
	}
}

// TestSecondSignalEndsAtOnce, if it comes later than the first one's twin: whoever
// sends it does not want to wait.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.must("feedserver", "create", "orders", "--db", "sqlite:orders.db")
	h.write("event", []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"T"}`))
	h.must("feedserver", "append", "orders", "event", "--db", "sqlite:orders.db")
	_, said := h.begin(says("msg=serving"), "feedserver", "serve", "--db", "sqlite:orders.db", "--listen", "127.0.0.1:0")
	url := servingURL.FindStringSubmatch(said.String())[1]
	atWork := func(string) bool {
		_, err := os.Stat(filepath.Join(h.folder, "up"))
		return err == nil
	}
	seeder, _ := h.begin(atWork, "seeder", "run", "--follow", "--from", url+"/feeds/orders", "--into", "sqlite:copy.db", "--exec", "trap '' TERM; touch up; sleep 1000")
	ended := make(chan struct{})
	go func() {
		_ = seeder.Wait() // its ProcessState says how
		close(ended)
	}()
	for range 2 {
		if err := seeder.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // in which the program does not end
	}
	select {
	case <-ended:
		if status := seeder.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
			t.Errorf("ended with %s", seeder.ProcessState)
		}
	case <-time.After(5 * time.Second): // the program is given 20 s to end
		t.Error("it has not ended")
	}
}
