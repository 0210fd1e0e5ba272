//go:build unix

package program

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// keeper is a script that leads the group, so that the group's number stays
// ours, and ends all of it a while after its standard input was closed. That
// happens at the latest with this process, however it ends. In that while the
// program, whose input has ended too, may do what it was given.
const keeper = `trap '' HUP INT TERM; read -r _; sleep "$1"; kill -TERM 0; sleep "$1"; kill -KILL 0`

// group is a process group.
type group struct {
	keeper *exec.Cmd
	hold   *os.File // the keeper's standard input

	mu    sync.Mutex
	ended bool // the group's number may be another one's
}

func newGroup(grace time.Duration) (*group, error) {
	input, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer closeAll(input)
	keeper := exec.Command("/bin/sh", "-c", keeper, "sh", fmt.Sprintf("%.3f", grace.Seconds())) //nolint:noctx // it ends with its input
	keeper.Stdin, keeper.SysProcAttr = input, &syscall.SysProcAttr{Setpgid: true}
	if err := keeper.Start(); err != nil {
		closeAll(hold)
		return nil, err
	}
	return &group{keeper: keeper, hold: hold}, nil
}

// member says that a process is to be in the group.
func (g *group) member() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pgid: g.keeper.Process.Pid}
}

// signal sends a signal to all of the group, if it is there still.
func (g *group) signal(s syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.ended {
		_ = syscall.Kill(-g.keeper.Process.Pid, s)
	}
}

// end kills what is left of the group.
func (g *group) end() {
	g.signal(syscall.SIGKILL)
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.keeper.Wait() // only now its number may be given to another process
	g.ended = true
	closeAll(g.hold)
}
