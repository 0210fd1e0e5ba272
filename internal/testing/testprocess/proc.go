//go:build unix

package testprocess

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// Alive reports whether a process group has a process, and not only a zombie that its parent, the
// init process, has not yet waited for.
func Alive(group int) bool {
	stats, err := os.ReadDir("/proc")
	if err != nil { // not Linux
		return errors.Is(syscall.Kill(-group, 0), nil)
	}
	for _, entry := range stats {
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		_, after, found := strings.Cut(string(stat), ") ") // state, parent, group
		if fields := strings.Fields(after); err == nil && found && len(fields) > 2 && fields[0] != "Z" && fields[2] == fmt.Sprint(group) {
			return true
		}
	}
	return false
}

// With returns the names of the processes that have a server's folder in their environment or in their
// arguments: all that the server started, in whatever process group they are.
func With(t testing.TB, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must.OK(t, err)
	for _, entry := range entries {
		environment, _ := os.ReadFile("/proc/" + entry.Name() + "/environ") // it may have ended
		arguments, _ := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if strings.Contains(string(environment), folder+"\x00") || strings.Contains(string(arguments), folder) {
			name, _ := os.ReadFile("/proc/" + entry.Name() + "/comm")
			names = append(names, strings.TrimSpace(string(name)))
		}
	}
	return names
}
