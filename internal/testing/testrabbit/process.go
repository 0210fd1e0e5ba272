//go:build unix

package testrabbit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a node may take to start on a machine that runs all tests at once.
const patience = 3 * time.Minute

// started is what the node logs when it accepts connections.
const started = "Server startup complete"

// process is a node that runs with its epmd, both in one process group.
type process struct {
	group int
	hold  io.Closer     // its end kills the group
	ended chan struct{} // closed when the group's first process has ended
}

// keeper runs epmd, at the port of its first argument, and the node. It kills its process group when
// the node ends or when standard input does, which happens at the latest with this process. Without
// an epmd of its own the node would start one that outlives it.
const keeper = `epmd -port "$1" </dev/null & shift; { "$@" </dev/null; kill -KILL 0; } & cat >/dev/null; kill -KILL 0`

// start starts the node and waits until it accepts connections.
func (n *Node) start() error {
	n.starts++
	output, err := os.OpenFile(n.log(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }() // the node has its own descriptor
	arguments := append([]string{"-c", keeper, "sh", fmt.Sprint(n.ports.epmd)}, erlang...)
	command := exec.CommandContext(context.Background(), "sh", arguments...) // ends by its keeper
	command.Dir, command.Env, command.Stdout, command.Stderr = n.folder, n.environment(), output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal to ours gets at it
	hold, err := command.StdinPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	p := &process{group: command.Process.Pid, hold: hold, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(p.ended)
	}()
	if err := p.waitFor(n.log(), started); err != nil {
		p.kill()
		return err
	}
	n.process = p
	return nil
}

// waitFor waits until a log has a text.
func (p *process) waitFor(log, text string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if said, err := os.ReadFile(log); err != nil || strings.Contains(string(said), text) {
			return err
		}
		select {
		case <-p.ended:
			return errors.New("it ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("it does not accept connections after %v", patience)
}

// kill kills the group, and returns when none of its processes holds a port or a file any more.
func (p *process) kill() {
	_ = p.hold.Close()
	<-p.ended
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && alive(p.group); {
		time.Sleep(2 * time.Millisecond)
	}
}

// alive reports whether a process group has a process, and not only a zombie that its parent, the
// init process, has not yet waited for.
func alive(group int) bool {
	stats, err := os.ReadDir("/proc")
	if err != nil { // not Linux
		return errors.Is(syscall.Kill(-group, 0), nil)
	}
	for _, entry := range stats {
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		_, after, found := strings.Cut(string(stat), ") ") // state, parent, group
		if fields := strings.Fields(after); err == nil && found && len(fields) > 2 && fields[0] != "Z" && fields[2] == fmt.Sprint(group) {
			return true
		}
	}
	return false
}

// folderKeeper removes a folder once standard input ends. The node, which ends at the same moment,
// may still write there.
const folderKeeper = `cat; cd /; until rm -rf "$0"; do sleep 0.1; done 2>/dev/null`

// keepFolder lets a folder go with this process, or when the returned function is called.
func keepFolder(folder string) (remove func(), err error) {
	command := exec.CommandContext(context.Background(), "sh", "-c", folderKeeper, folder)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	hold, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	return func() {
		_ = hold.Close()
		_ = command.Wait()
	}, command.Start()
}

// ports are those that a node listens on.
type ports struct{ epmd, distribution, amqp, tls, stream, streamTLS int }

// freePorts returns ports that nothing listens on. They are below the ones that Linux gives out by
// itself.
func freePorts(t testing.TB) ports {
	t.Helper()
	for range 100 {
		first := 20000 + 6*rand.IntN(2000)
		if free(t, first) && free(t, first+1) && free(t, first+2) && free(t, first+3) && free(t, first+4) && free(t, first+5) {
			return ports{first, first + 1, first + 2, first + 3, first + 4, first + 5}
		}
	}
	t.Fatal("no ports are free")
	return ports{}
}

func free(t testing.TB, port int) bool {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	_ = listener.Close()
	return true
}

// portTaken reports whether the last start failed because another process took a port meanwhile.
func (n *Node) portTaken() bool {
	said, err := os.ReadFile(n.log())
	return err == nil && (strings.Contains(string(said), "eaddrinuse") || strings.Contains(string(said), "in use"))
}

// tail returns the end of a log.
func tail(path string) string {
	said, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-20_000):])
}
