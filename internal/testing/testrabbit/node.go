//go:build unix

// Package testrabbit runs real RabbitMQ nodes for tests: one that all tests of a package share, and
// nodes of a test's own, to kill and to start again. Only tests import it.
//
// A node takes about three seconds of one core to start and 120 MB of memory. It ends with the
// process that started it, also if that process is killed.
package testrabbit

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// Node is a RabbitMQ node with its data.
type Node struct {
	// Authority issued the certificate of the node's TLS listener, and the certificates of clients
	// that the node accepts.
	Authority *testcert.Authority

	server string // the path of Debian's script rabbitmq-server
	folder string
	remove func() // removes the folder; the folder is there as long as this is reachable
	ports  ports
	starts int
	group  *testprocess.Group // nil while the node is down
}

var shared struct {
	sync.Mutex
	node *Node
}

// Start returns the node that all tests of this process share. The first call starts it. A test uses
// a vhost of its own there, see [Node.VHost], and does nothing that other tests notice: for that it
// has [Own].
//
// Where RabbitMQ is missing, the test is skipped, or fails where all tests must run.
func Start(t testing.TB) *Node {
	t.Helper()
	need.Tool(t, "rabbitmq") // ends the test before the lock is taken
	shared.Lock()
	defer shared.Unlock()
	if shared.node == nil {
		shared.node = begin(t)
	}
	return shared.node
}

// Own starts a node that belongs to one test, and ends it with the test.
func Own(t testing.TB) *Node {
	t.Helper()
	n := begin(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("RabbitMQ:\n%s", testprocess.Tail(n.log()))
		}
		n.Kill()
		n.remove()
	})
	return n
}

// begin makes a node and starts it on ports that are free.
func begin(t testing.TB) *Node {
	t.Helper()
	n := &Node{server: need.Tool(t, "rabbitmq"), Authority: testcert.New(t)}
	var err error
	if n.folder, n.remove, err = testprocess.Folder("eventfeed-rabbitmq-"); err != nil {
		t.Fatalf("make a folder for RabbitMQ: %v", err)
	}
	for range 20 {
		n.ports = freePorts(t)
		n.configure(t)
		if err = n.start(); err == nil {
			return n
		}
		if !n.portTaken() {
			break
		}
	}
	t.Fatalf("start RabbitMQ: %v\n%s", err, testprocess.Tail(n.log()))
	return nil
}

// Kill kills all processes of the node with SIGKILL. Its data stay.
func (n *Node) Kill() {
	if n.group != nil {
		n.group.Kill()
		n.group = nil
	}
}

// Restart starts the node again, on the same data and ports, after killing it if it runs. It returns
// when the node accepts connections.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.Kill()
	if err := n.start(); err != nil {
		t.Fatalf("restart RabbitMQ: %v\n%s", err, testprocess.Tail(n.log()))
	}
}

// CopyData copies the data of a node that is down, and returns a function that puts them back, while
// the node is down again.
func (n *Node) CopyData(t testing.TB) (restore func()) {
	t.Helper()
	data, copied := filepath.Join(n.folder, "data"), filepath.Join(n.folder, "copy")
	must.OK(t, os.CopyFS(copied, os.DirFS(data)))
	return func() {
		t.Helper()
		must.OK(t, os.RemoveAll(data))
		must.OK(t, os.Rename(copied, data))
	}
}

// Address is the host and port that the node listens on without TLS, on loopback.
func (n *Node) Address() string { return fmt.Sprintf("127.0.0.1:%d", n.ports.amqp) }

// AddressTLS is the host and port that the node listens on with TLS, on loopback. The node accepts
// clients without a certificate, and of those with one only certificates of [Node.Authority].
func (n *Node) AddressTLS() string { return fmt.Sprintf("127.0.0.1:%d", n.ports.tls) }

// AddressStream is the host and port that the node listens on for the stream protocol without TLS.
func (n *Node) AddressStream() string { return fmt.Sprintf("127.0.0.1:%d", n.ports.stream) }

// AddressStreamTLS is the host and port that the node listens on for the stream protocol with TLS.
func (n *Node) AddressStreamTLS() string { return fmt.Sprintf("127.0.0.1:%d", n.ports.streamTLS) }

func (n *Node) log() string { return filepath.Join(n.folder, fmt.Sprintf("start-%d.log", n.starts)) }
