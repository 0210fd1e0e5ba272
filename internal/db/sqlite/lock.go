package sqlitedb

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/eventfeed/eventfeed/internal/filelock"
)

// lockWatch is how often a lock's file is looked at.
const lockWatch = time.Second

// FileLock is a lock on a database file, kept on the file PATH.lock beside it. It
// ends with the process.
type FileLock struct {
	file  *os.File
	lost  chan struct{} // closed by watch when the file is another one
	stop  context.CancelFunc
	ended chan struct{} // closed when watch has ended
}

// LockPath returns the path of a database file's lock: beside the file that the
// path leads to, so that everyone who opens that file meets the same lock.
func LockPath(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) { // not made yet
		folder, err := filepath.EvalSymlinks(filepath.Dir(path))
		return filepath.Join(folder, filepath.Base(path)) + ".lock", err
	}
	return resolved + ".lock", err
}

// TryLock takes the lock on a database file, or returns nil if someone holds it.
func TryLock(path string) (*FileLock, error) {
	lockPath, err := LockPath(path)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(lockPath, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	locked, err := filelock.Try(file, false)
	if err != nil || !locked {
		_ = file.Close()
		return nil, err
	}
	if !isCurrent(file) { // someone removed it meanwhile
		return nil, file.Close()
	}
	l := &FileLock{file: file, lost: make(chan struct{}), ended: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.watch(ctx)
	return l, nil
}

// isCurrent reports whether the file that is locked is still the one that others
// would lock.
func isCurrent(file *os.File) bool {
	locked, err := file.Stat()
	if err != nil {
		return false
	}
	found, err := os.Stat(file.Name())
	return err == nil && os.SameFile(locked, found)
}

func (l *FileLock) watch(ctx context.Context) {
	defer close(l.ended)
	tick := time.NewTicker(lockWatch)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !isCurrent(l.file) {
				close(l.lost)
				return
			}
		}
	}
}

// Lock waits until it can take the lock on a database file.
func Lock(ctx context.Context, path string) (*FileLock, error) {
	for {
		if lock, err := TryLock(path); lock != nil || err != nil {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Lost returns a channel that is closed when the lock's file was removed or
// replaced: then someone else may have the lock. Release does not close it.
func (l *FileLock) Lost() <-chan struct{} { return l.lost }

// Share calls use with the descriptor of the lock's file. A process that inherits
// it keeps the lock for as long as it holds it open, also if this process ends
// first; but Release ends the lock at once.
func (l *FileLock) Share(use func(fd uintptr) error) error { return use(l.file.Fd()) }

// Release gives the lock back. It is called once.
func (l *FileLock) Release() {
	l.stop()
	<-l.ended
	filelock.Unlock(l.file)
}

// IsLocked reports whether someone holds the lock on a database file. It shares the
// lock for an instant, for which a process that wants it waits.
func IsLocked(path string) (bool, error) {
	lockPath, err := LockPath(path)
	if err != nil {
		return false, err
	}
	file, err := os.Open(lockPath)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer filelock.Unlock(file)
	free, err := filelock.Try(file, true)
	return !free && err == nil, err
}
