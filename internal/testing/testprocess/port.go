//go:build unix

package testprocess

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// FreePorts returns the first of n ports in a row that nothing listens on. They are below the ones
// that Linux gives out by itself. No other call returns them as long as this process runs, in
// whatever process it is: a server that was killed needs its ports again.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	for range 1000 {
		if first := 20000 + rand.IntN(12000-n); reserve(t, first, n) {
			return first
		}
	}
	t.Fatal("no ports are free")
	return 0
}

// reserve locks ports in a row until this process ends, and reports whether all of them are free.
func reserve(t testing.TB, first, n int) bool {
	t.Helper()
	var locks []*os.File
	for port := first; port < first+n; port++ {
		lock := lockPort(port)
		if lock == nil || !isFree(t, port) {
			for _, l := range append(locks, lock) {
				_ = l.Close() // which unlocks it; an error for none
			}
			return false
		}
		locks = append(locks, lock)
	}
	reserved <- locks
	return true
}

// reserved keeps the files with the locks open: nobody takes them out again.
var reserved = make(chan []*os.File, 10_000)

// lockPort locks the file that stands for a port; nil if somebody else has done so.
func lockPort(port int) *os.File {
	file, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("eventfeed-test-port-%d", port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil
	}
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = file.Close()
		return nil
	}
	return file
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
