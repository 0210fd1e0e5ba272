//go:build unix

package execsink

import (
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"syscall"
)

// supervisorName is what the supervisor's process is called. It is this process's
// own binary, which becomes a supervisor where it is started by that name.
const supervisorName = "eventfeed-exec"

// The supervisor's descriptors beside standard input, output and error, which are
// the program's.
const (
	ordersFD = 3 + iota // orders come from here; its end is one to kill
	statusFD            // how the program has ended goes there
	lockFD              // of the consumer's lock, which lasts as long as it is open
)

// The orders that a supervisor takes, of one byte each.
const (
	orderTerminate = 't' // SIGTERM for the program's process group
	orderKill      = 'k' // ends all that the program has started, and then itself
)

// supervisor is the process that runs the program and ends all of it, whatever
// happens to this process: it notices the end of its orders.
type supervisor struct {
	process *os.Process
	orders  *os.File
	status  *os.File
}

// startSupervisor starts a supervisor, and the program by it. lock may be nil.
func startSupervisor(command string, environment []string, standard [3]*os.File, lock func(use func(fd uintptr) error) error) (*supervisor, error) {
	theirOrders, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer closeAll(theirOrders)
	status, theirStatus, err := os.Pipe()
	if err != nil {
		closeAll(orders)
		return nil, err
	}
	defer closeAll(theirStatus)
	files := []uintptr{standard[0].Fd(), standard[1].Fd(), standard[2].Fd(), theirOrders.Fd(), theirStatus.Fd()}
	var pid int
	fork := func(files ...uintptr) error {
		path, err := ownBinary()
		if err != nil {
			return err
		}
		pid, err = syscall.ForkExec(path, []string{supervisorName, command}, &syscall.ProcAttr{
			Env: environment, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
		})
		return err
	}
	if lock == nil {
		err = fork(files...)
	} else {
		err = lock(func(fd uintptr) error { return fork(append(files, fd)...) })
	}
	if err != nil {
		closeAll(orders, status)
		return nil, err
	}
	process, err := os.FindProcess(pid)
	return &supervisor{process, orders, status}, err
}

// ownBinary is the binary of this process, also where another one has taken its
// place since.
func ownBinary() (string, error) {
	if runtime.GOOS == "linux" {
		if _, err := os.Stat("/proc/self/exe"); err == nil {
			return "/proc/self/exe", nil
		}
	}
	return os.Executable()
}

func (s *supervisor) terminate() { _, _ = s.orders.Write([]byte{orderTerminate}) }
func (s *supervisor) kill()      { _, _ = s.orders.Write([]byte{orderKill}) }

// wait waits until the supervisor has ended, and with it all that it could find of
// the program, and returns how the program has ended.
func (s *supervisor) wait() ending {
	var status [4]byte
	_, err := io.ReadFull(s.status, status[:])
	if err != nil { // someone has killed the supervisor alone
		_ = syscall.Kill(-s.process.Pid, syscall.SIGKILL)
	}
	_, _ = s.process.Wait() // only now its number may be given to another process
	closeAll(s.orders, s.status)
	if err != nil {
		return endingOf(syscall.WaitStatus(syscall.SIGKILL))
	}
	return endingOf(syscall.WaitStatus(binary.NativeEndian.Uint32(status[:])))
}

func endingOf(status syscall.WaitStatus) ending {
	switch {
	case status.Signaled() && status.CoreDump():
		return ending{text: "signal: " + status.Signal().String() + " (core dumped)"}
	case status.Signaled():
		return ending{text: "signal: " + status.Signal().String()}
	default:
		return exited(status.ExitStatus())
	}
}
