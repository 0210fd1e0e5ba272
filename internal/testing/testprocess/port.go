//go:build unix

package testprocess

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreePorts returns the first of n ports in a row that nothing listens on. They are below the ones
// that Linux gives out by itself.
func FreePorts(t testing.TB, n int) int {
	t.Helper()
	for range 100 {
		first := 20000 + n*rand.IntN(12000/n)
		if allFree(t, first, n) {
			return first
		}
	}
	t.Fatal("no ports are free")
	return 0
}

func allFree(t testing.TB, first, n int) bool {
	t.Helper()
	for port := first; port < first+n; port++ {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		_ = listener.Close()
	}
	return true
}
