//go:build unix

// Package testnats runs real NATS servers with JetStream for tests: one that all tests of a package
// share, and servers and clusters of a test's own, to kill and to start again. Only tests import it.
//
// A server starts within a second. It ends with the process that started it, also if that process is
// killed.
package testnats

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// Node is a server with its data.
type Node struct {
	// Authority issued the certificate of the server, and the certificates of clients that it accepts.
	Authority *testcert.Authority

	program string
	folder  string
	remove  func() // removes the folder; the folder is there as long as this is reachable
	port    int
	more    string // lines of the configuration
	starts  int
	group   *testprocess.Group // nil while the server is down
}

var shared struct {
	sync.Mutex
	node *Node
}

// Start returns the server that all tests of this process share. The first call starts it. A test uses
// a stream and subjects of its own there, and does nothing that other tests notice: for that it has
// [Own]. A client that does not log in may do everything.
//
// Where the server is missing, the test is skipped, or fails where all tests must run.
func Start(t testing.TB) *Node {
	t.Helper()
	need.Tool(t, "nats-server") // ends the test before the lock is taken
	shared.Lock()
	defer shared.Unlock()
	if shared.node == nil {
		shared.node = begin(t)
	}
	return shared.node
}

// Own starts a server that belongs to one test, with more lines in its configuration, and ends it with
// the test.
func Own(t testing.TB, configuration ...string) *Node {
	t.Helper()
	n := begin(t, configuration...)
	n.endWith(t)
	return n
}

func (n *Node) endWith(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("nats-server at %s:\n%s", n.Address(), testprocess.Tail(n.log()))
		}
		n.Kill()
		n.remove()
	})
}

// begin makes a server and starts it on a port that is free.
func begin(t testing.TB, configuration ...string) *Node {
	t.Helper()
	n := create(t, strings.Join(configuration, "\n"))
	var err error
	for range 20 {
		n.port = testprocess.FreePorts(t, 1)
		n.configure(t)
		if err = n.start(); err == nil {
			return n
		}
		if !n.portTaken() {
			break
		}
	}
	t.Fatalf("start nats-server: %v\n%s", err, testprocess.Tail(n.log()))
	return nil
}

// create makes the folder of a server.
func create(t testing.TB, more string) *Node {
	t.Helper()
	n := &Node{program: need.Tool(t, "nats-server"), Authority: testcert.New(t), more: more}
	if program := os.Getenv("EVENTFEED_TEST_NATS_SERVER"); program != "" { // another version
		n.program = program
	}
	var err error
	if n.folder, n.remove, err = testprocess.Folder("eventfeed-nats-"); err != nil {
		t.Fatalf("make a folder for nats-server: %v", err)
	}
	return n
}

const configuration = `
server_name: "%[1]s"
listen: "127.0.0.1:%[1]s"
jetstream { store_dir: "%[2]s/data" }
%[3]s
%[4]s
`

// withTLS lets clients with TLS and without it use the same port.
const withTLS = `
tls {
	cert_file: "certificate.pem"
	key_file: "key.pem"
	ca_file: "authority.pem"
}
allow_non_tls: true
`

// NoTLS is a line of the configuration of a server without TLS.
const NoTLS = "# no TLS"

// OnlyTLS is a line of the configuration of a server that refuses clients without a certificate of its
// authority.
const OnlyTLS = `tls { cert_file: "certificate.pem", key_file: "key.pem", ca_file: "authority.pem", verify: true }`

// configure writes what the server reads when it starts.
func (n *Node) configure(t testing.TB) {
	t.Helper()
	tls := withTLS
	if strings.Contains(n.more, NoTLS) || strings.Contains(n.more, OnlyTLS) {
		tls = ""
	}
	certificate, key := n.Authority.Issue(t, "nats", time.Now().Add(24*time.Hour))
	for name, content := range map[string][]byte{
		"authority.pem":   n.Authority.PEM,
		"certificate.pem": certificate,
		"key.pem":         key,
		"nats.conf":       fmt.Appendf(nil, configuration, fmt.Sprint(n.port), n.folder, tls, n.more),
	} {
		must.OK(t, os.WriteFile(filepath.Join(n.folder, name), content, 0o600))
	}
}

// Reconfigure gives the server other lines of its configuration, which it reads at its next start.
func (n *Node) Reconfigure(t testing.TB, configuration ...string) {
	t.Helper()
	n.more = strings.Join(configuration, "\n")
	n.configure(t)
}

// Kill kills the server with SIGKILL. Its data stay.
func (n *Node) Kill() {
	if n.group != nil {
		n.group.Kill()
		n.group = nil
	}
}

// Restart starts the server again, on the same data and port, after killing it if it runs. It returns
// when the server accepts connections.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.Kill()
	if err := n.start(); err != nil {
		t.Fatalf("restart nats-server: %v\n%s", err, testprocess.Tail(n.log()))
	}
}

// Address is the host and port that the server listens on, with and without TLS, on loopback.
func (n *Node) Address() string { return fmt.Sprintf("127.0.0.1:%d", n.port) }

// Data is the folder with the server's streams.
func (n *Node) Data() string { return filepath.Join(n.folder, "data") }

func (n *Node) log() string { return filepath.Join(n.folder, fmt.Sprintf("start-%d.log", n.starts)) }
