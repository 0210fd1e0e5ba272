//go:build unix

package execsink

import (
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"syscall"
)

// supervisorName is the name of the supervisor's process. It runs this process's own binary, which
// becomes a supervisor if it is started with that name.
const supervisorName = "eventfeed-exec"

// The supervisor's descriptors. Standard input, output and error are the program's.
const (
	ordersFD = 3 + iota // receives orders; its end is an order to kill
	statusFD            // receives how the program has ended
	lockFD              // the consumer's lock, which lasts as long as it is open
)

// The orders to a supervisor, one byte each.
const (
	orderTerminate = 't' // send SIGTERM to the program's process group
	orderKill      = 'k' // kill everything that the program has started, and exit
)

// supervisor is the process that runs the program and kills everything that it has started, even if
// this process is killed: then the orders end.
type supervisor struct {
	process *os.Process
	orders  *os.File
	status  *os.File
}

// startSupervisor starts a supervisor, which starts the program. lock may be nil.
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

// ownBinary returns the path of this process's binary, even if the file was replaced since.
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

// wait waits until the supervisor, and every process of the program that it found, has ended. It
// returns how the program has ended.
func (s *supervisor) wait() ending {
	var status [4]byte
	_, err := io.ReadFull(s.status, status[:])
	if err != nil { // only the supervisor was killed
		_ = syscall.Kill(-s.process.Pid, syscall.SIGKILL)
	}
	_, _ = s.process.Wait() // only after this may another process get its id
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
