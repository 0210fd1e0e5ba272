//go:build unix

package httplimit

import "syscall"

// reserve is how many files a server opens that are no connections of clients.
const reserve = 100

// freeFiles is how many connections this process may have open. The runtime
// has raised the limit as far as it may by itself.
func freeFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return mostConnections
	}
	return int(min(max(limit.Cur, 2*reserve)-reserve, mostConnections))
}
