//go:build unix

package testrabbit

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// withEpmd runs epmd, at the port of its first argument, and the node in one process group. Without an epmd
// of its own the node would start one that outlives it.
const withEpmd = `epmd -port "$1" </dev/null & shift; exec "$@"`

// start starts the node and waits until it accepts connections.
func (n *Node) start() (err error) {
	n.starts++
	n.group, err = testprocess.Start(testprocess.Server{
		Folder: n.folder, Log: n.log(), Ready: "Server startup complete", Env: n.environment(),
		Command: append([]string{"sh", "-c", withEpmd, "sh", fmt.Sprint(n.ports.epmd)}, erlang...),
	})
	return err
}

// ports are those that a node listens on.
type ports struct{ epmd, distribution, amqp, tls, stream, streamTLS int }

func freePorts(t testing.TB) ports {
	t.Helper()
	first := testprocess.FreePorts(t, 6)
	return ports{first, first + 1, first + 2, first + 3, first + 4, first + 5}
}

// portTaken reports whether the last start failed because another process took a port meanwhile.
func (n *Node) portTaken() bool {
	said, err := os.ReadFile(n.log())
	return err == nil && (strings.Contains(string(said), "eaddrinuse") || strings.Contains(string(said), "in use"))
}
