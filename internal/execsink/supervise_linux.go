package execsink

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of those among its descendants whose
// parent has ended, so that none can get away from it.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	// Or else it has the binary's name, and is killed with all seeders by that name.
	_ = os.WriteFile("/proc/self/comm", []byte(supervisorName), 0)
}

// programAttributes lets the program die with its supervisor, if someone kills that.
// The signal follows the thread that has started it.
func programAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// killOthers kills all descendants of this process, whatever group they are in.
func killOthers() {
	children := make(map[int][]int) // by parent
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	if len(all) == 0 { // there is no /proc
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
	for _, path := range all {
		if pid, parent, ok := parentOf(path); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	for waiting := children[os.Getpid()]; len(waiting) > 0; waiting = waiting[1:] {
		_ = syscall.Kill(waiting[0], syscall.SIGKILL)
		waiting = append(waiting, children[waiting[0]]...)
	}
}

// parentOf reads a process's number and its parent's: PID (NAME) STATE PARENT …,
// where the name may hold anything.
func parentOf(path string) (pid, parent int, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, false // it has ended
	}
	number, _, _ := bytes.Cut(text, []byte(" "))
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	pid, err = strconv.Atoi(string(number))
	if err == nil {
		parent, err = strconv.Atoi(string(fields[1]))
	}
	return pid, parent, err == nil
}
