//go:build unix

// Package testprocess runs servers for tests: each in a process group of its own, which ends with
// the process that started it, also if that process is killed. Only tests import it.
package testprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to start on a machine that runs all tests at once.
const patience = 3 * time.Minute

// Server says how a server is run.
type Server struct {
	Folder  string   // the working directory
	Log     string   // path of the file that gets what the server writes
	Ready   string   // what the server writes once it accepts connections
	Address string   // where it accepts connections, if it does so later than it writes Ready
	Command []string // program and arguments
	Env     []string // nil for the environment of the tests
}

// Group is a server that runs, with all of its processes.
type Group struct {
	id    int
	hold  io.Closer     // its end kills the group
	ended chan struct{} // closed when the group's first process has ended
}

// keeper runs a server. It kills its process group when the server ends or when standard input
// does, which happens at the latest with this process.
const keeper = `{ "$@" </dev/null; kill -KILL 0; } & cat >/dev/null; kill -KILL 0`

// Start starts a server, and returns when it is ready.
func Start(s Server) (*Group, error) {
	output, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()                                                                             // the server has its own descriptor
	command := exec.CommandContext(context.Background(), "sh", append([]string{"-c", keeper, "sh"}, s.Command...)...) // ends by its keeper
	command.Dir, command.Env, command.Stdout, command.Stderr = s.Folder, s.Env, output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal to ours gets at it
	hold, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	g := &Group{id: command.Process.Pid, hold: hold, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(g.ended)
	}()
	if err := g.waitFor(s.isReady); err != nil {
		g.Kill()
		return nil, err
	}
	return g, nil
}

// isReady reports whether the server accepts connections.
func (s *Server) isReady() (bool, error) {
	said, err := os.ReadFile(s.Log)
	if is := err == nil && strings.Contains(string(said), s.Ready); !is || s.Address == "" {
		return is, err
	}
	connection, err := new(net.Dialer).DialContext(context.Background(), "tcp", s.Address)
	if err != nil {
		return false, nil //nolint:nilerr // not yet
	}
	return true, connection.Close()
}

// waitFor waits until a server is ready.
func (g *Group) waitFor(isReady func() (bool, error)) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if is, err := isReady(); is || err != nil {
			return err
		}
		select {
		case <-g.ended:
			return errors.New("it ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("it does not accept connections after %v", patience)
}

// Kill kills the group with SIGKILL, and returns when none of its processes holds a port or a file
// any more.
func (g *Group) Kill() {
	_ = g.hold.Close()
	<-g.ended
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && Alive(g.id); {
		time.Sleep(2 * time.Millisecond)
	}
}

// ID is the id of the process group.
func (g *Group) ID() int { return g.id }

// Signal sends a signal to all processes of the group: SIGSTOP for a server that is silent.
func (g *Group) Signal(s syscall.Signal) error { return syscall.Kill(-g.id, s) }

// Tail returns the end of a log, at most 20,000 bytes.
func Tail(path string) string {
	said, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-20_000):])
}
