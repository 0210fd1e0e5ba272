//go:build unix

// Package filelock locks files for processes of one machine.
package filelock

import (
	"errors"
	"os"
	"syscall"
)

// Try locks a file, shared or not, or returns false if someone else's lock
// prevents it. The lock belongs to the opened file, with all who inherit it.
func Try(file *os.File, shared bool) (bool, error) {
	how := syscall.LOCK_EX
	if shared {
		how = syscall.LOCK_SH
	}
	for {
		switch err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case errors.Is(err, syscall.EINTR):
		default:
			return false, &os.PathError{Op: "lock", Path: file.Name(), Err: err}
		}
	}
}

// Unlock ends the lock, also for all who have inherited it, and closes the file.
func Unlock(file *os.File) {
	_ = syscall.Flock(int(file.Fd()), syscall.LOCK_UN)
	_ = file.Close()
}
