//go:build unix

package testnats

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/eventfeed/eventfeed/internal/testing/testprocess"
)

// Cluster starts three servers that belong to one test, as a cluster, and ends them with the test.
func Cluster(t testing.TB) [3]*Node {
	t.Helper()
	first := testprocess.FreePorts(t, 6) // of clients, then of routes
	var nodes [3]*Node
	for i := range nodes {
		var routes []string
		for j := range nodes {
			if j != i {
				routes = append(routes, fmt.Sprintf(`"nats://127.0.0.1:%d"`, first+3+j))
			}
		}
		nodes[i] = create(t, fmt.Sprintf("cluster { name: test, listen: \"127.0.0.1:%d\", routes: [%s] }", first+3+i, strings.Join(routes, ", ")))
		nodes[i].Authority = nodes[0].Authority
		nodes[i].port = first + i
		nodes[i].configure(t)
		if err := nodes[i].start(); err != nil {
			t.Fatalf("start a server of a cluster: %v\n%s", err, testprocess.Tail(nodes[i].log()))
		}
		nodes[i].endWith(t)
	}
	return nodes
}

// Leader returns the index of the server that leads a stream; -1 if none does at the moment.
func Leader(t testing.TB, nodes [3]*Node, stream *jetstream.StreamInfo) int {
	t.Helper()
	if stream.Cluster == nil {
		t.Fatal("the stream is not in a cluster")
	}
	for i, n := range nodes {
		if stream.Cluster.Leader == fmt.Sprint(n.port) {
			return i
		}
	}
	return -1
}
