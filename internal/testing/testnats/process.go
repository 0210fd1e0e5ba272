//go:build unix

package testnats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start on a machine that runs all tests at once.
const patience = 2 * time.Minute

// started is what the server logs when it accepts connections.
const started = "Server is ready"

// process is a server that runs, with its keeper, in one process group.
type process struct {
	hold  io.Closer     // its end kills the group
	ended chan struct{} // closed when no process of the group holds the log any more
}

// keeper runs a program, and kills all of its process group when the program ends or when standard
// input does, which happens at the latest with this process.
const keeper = `{ "$@" </dev/null; kill -KILL 0; } & cat >/dev/null; kill -KILL 0`

// start starts the server and waits until it accepts connections.
func (n *Node) start() error {
	n.starts++
	output, err := os.OpenFile(n.log(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	command := exec.CommandContext(context.Background(), "sh", "-c", keeper, "sh", n.program, "-c", filepath.Join(n.folder, "nats.conf")) // ends by its keeper
	command.Dir = n.folder
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no signal to ours gets at it
	command.Stdout, command.Stderr = output, output
	hold, err := command.StdinPipe()
	if err != nil {
		return err
	}
	// The last process of the group closes this pipe.
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	command.ExtraFiles = []*os.File{write}
	err = command.Start()
	_, _ = output.Close(), write.Close() // the server has its own descriptors
	if err != nil {
		_ = read.Close()
		return err
	}
	p := &process{hold: hold, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		_, _ = io.Copy(io.Discard, read)
		_ = read.Close()
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
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("it does not accept connections after %v", patience)
}

// kill kills the server, and returns when none of its processes is left.
func (p *process) kill() {
	_ = p.hold.Close()
	<-p.ended
}

// folderKeeper removes a folder once standard input ends. The server, which ends at the same moment, may
// still write there.
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

// freePorts returns ports that nothing listens on. They are below the ones that Linux gives out by
// itself.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		if !isFree(t, port) {
			continue
		}
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("no ports are free")
	return nil
}

func isFree(t testing.TB, port int) bool {
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
	return err == nil && strings.Contains(string(said), "address already in use")
}

// tail returns the end of a log.
func tail(path string) string {
	said, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-20_000):])
}
