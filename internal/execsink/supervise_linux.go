package execsink

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes this process the parent of its descendants whose parent has ended, so that it
// finds all of them.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	// Otherwise it would have the binary's name, and a kill of all seeders by name would kill it.
	_ = os.WriteFile("/proc/self/comm", []byte(supervisorName), 0)
}

// programAttributes makes the kernel kill the program if its supervisor is killed. The kernel
// watches the thread that has started the program.
func programAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// killOthers kills all descendants of this process, in any group.
func killOthers() {
	children := make(map[int][]int) // process ids by parent
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

// parentOf parses the ids of a process and its parent: PID (NAME) STATE PARENT …, where the name
// may contain any character.
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
