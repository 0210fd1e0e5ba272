//go:build unix

// Package testkafka runs real Apache Kafka brokers for tests: one that all tests of a package share,
// and brokers of a test's own, to kill and to start again. Only tests import it.
//
// A broker takes about two seconds of one core to start and 210 MB of memory. It ends with the
// process that started it, also if that process is killed.
package testkafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// Node is a Kafka of one node, broker and controller, with its data.
type Node struct {
	// Authority issued the certificate of the listeners with TLS, and the certificates of clients
	// that the broker accepts.
	Authority *testcert.Authority

	program string // runs a class of Kafka's
	folder  string
	remove  func() // removes the folder; the folder is there as long as this is reachable
	port    int    // of the first listener
	proxy   func(upstream string) (address string)
	starts  int
	group   *testprocess.Group // nil while the broker is down
}

var shared struct {
	sync.Mutex
	node *Node
}

// Start returns the broker that all tests of this process share. The first call starts it. A test
// uses topics of its own there, see [Node.Topic], and does nothing that other tests notice: for that
// it has [Own].
//
// Where Kafka is missing, the test is skipped, or fails where all tests must run.
func Start(t testing.TB) *Node {
	t.Helper()
	need.Tool(t, "kafka") // ends the test before the lock is taken
	shared.Lock()
	defer shared.Unlock()
	if shared.node == nil {
		shared.node = begin(t, directly)
	}
	return shared.node
}

// Own starts a broker that belongs to one test, and ends it with the test.
func Own(t testing.TB) *Node { t.Helper(); return OwnBehind(t, directly) }

// OwnBehind is [Own] for a broker that tells its clients to connect by way of a proxy: proxy returns
// the address of a proxy for an upstream, where the broker is not yet. Clients that connect to the
// proxy are told of no other address.
func OwnBehind(t testing.TB, proxy func(upstream string) (address string)) *Node {
	t.Helper()
	n := begin(t, proxy)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Kafka:\n%s", testprocess.Tail(n.log()))
		}
		n.Kill()
		n.remove()
	})
	return n
}

func directly(upstream string) string { return upstream }

// begin makes a broker and starts it on ports that are free.
func begin(t testing.TB, proxy func(string) string) *Node {
	t.Helper()
	n := &Node{proxy: proxy, program: need.Tool(t, "kafka"), Authority: testcert.New(t)}
	var err error
	if n.folder, n.remove, err = testprocess.Folder("eventfeed-kafka-"); err != nil {
		t.Fatalf("make a folder for Kafka: %v", err)
	}
	for range 20 {
		n.port = testprocess.FreePorts(t, listeners)
		n.configure(t)
		if err = n.start(); err == nil {
			return n
		}
		if said, _ := os.ReadFile(n.log()); !strings.Contains(string(said), "Address already in use") {
			break
		}
	}
	t.Fatalf("start Kafka: %v\n%s", err, testprocess.Tail(n.log()))
	return nil
}

func (n *Node) start() (err error) {
	n.starts++
	n.group, err = testprocess.Start(testprocess.Server{
		Folder: n.folder, Log: n.log(), Ready: "Kafka Server started", Env: n.environment(),
		Command: []string{n.program, "kafka.Kafka", filepath.Join(n.folder, "server.properties")},
	})
	return err
}

// Kill kills the broker with SIGKILL. Its data stay.
func (n *Node) Kill() {
	if n.group != nil {
		n.group.Kill()
		n.group = nil
	}
}

// Restart starts the broker again, on the same data and ports, after killing it if it runs. It
// returns when the broker accepts connections.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.Kill()
	if err := n.start(); err != nil {
		t.Fatalf("restart Kafka: %v\n%s", err, testprocess.Tail(n.log()))
	}
}

// Pause stops the processes of the broker, so that it is silent, and Resume continues them.
func (n *Node) Pause(t testing.TB) { t.Helper(); must.OK(t, n.group.Signal(syscall.SIGSTOP)) }

// Resume continues the processes that Pause stopped.
func (n *Node) Resume(t testing.TB) { t.Helper(); must.OK(t, n.group.Signal(syscall.SIGCONT)) }

// Partition returns the folder with the data of a topic's partition.
func (n *Node) Partition(topic string, partition int) string {
	return filepath.Join(n.folder, "data", fmt.Sprint(topic, "-", partition))
}

// ForgetShutdown lets a broker that is down look at all of its data when it starts, as after a
// failure of the machine: data that were changed meanwhile are found.
func (n *Node) ForgetShutdown(t testing.TB) {
	t.Helper()
	for _, name := range []string{".kafka_cleanshutdown", "recovery-point-offset-checkpoint", "replication-offset-checkpoint"} {
		must.OK(t, os.RemoveAll(filepath.Join(n.folder, "data", name)))
	}
}

func (n *Node) address(listener int) string { return fmt.Sprintf("127.0.0.1:%d", n.port+listener) }

// Address is the host and port, on loopback, where everybody may do everything, without TLS.
func (n *Node) Address() string { return n.address(plain) }

// AddressTLS is where everybody may do everything, with TLS. The broker accepts clients without a
// certificate, and of those with one only certificates of [Node.Authority]; they are users by the
// certificate's subject, such as CN=name.
func (n *Node) AddressTLS() string { return n.address(tls) }

// AddressSASL is where users log in, without TLS.
func (n *Node) AddressSASL() string { return n.address(sasl) }

// AddressSASLTLS is where users log in, with TLS.
func (n *Node) AddressSASLTLS() string { return n.address(saslTLS) }

// AddressProxied is where the broker's proxy leads to, see [OwnBehind].
func (n *Node) AddressProxied() string { return n.address(proxied) }

func (n *Node) log() string { return filepath.Join(n.folder, fmt.Sprintf("start-%d.log", n.starts)) }
