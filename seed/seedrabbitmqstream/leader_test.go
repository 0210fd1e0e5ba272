//go:build unix

package seedrabbitmqstream

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
	"github.com/eventfeed/eventfeed/seed/broker/logtest"
)

// TestAPublisherConnectsToTheNodeOfTheLeader: a relay makes the node look like another one, which says
// where the leader is.
func TestAPublisherConnectsToTheNodeOfTheLeader(t *testing.T) {
	t.Parallel()
	b := newBench(t, testrabbit.Start(t))
	_, port, err := net.SplitHostPort(b.node.AddressStream())
	must.OK(t, err)
	relayed, ended := relay(t, b.node.AddressStream(), []byte("advertised_port\x00\x05"+port), []byte("advertised_port\x00\x0509999"))
	b.config.URL = b.at(relayed)
	l, err := b.begin(t)
	must.OK(t, err)
	<-ended
	if got := l.connection.Node(); !strings.HasSuffix(got, ":"+port) {
		t.Errorf("connected to %s", got)
	}
	_, _, err = l.End(t.Context())
	must.OK(t, err)
	must.OK(t, l.Append(t.Context(), logtest.Messages(1, 0, 3)))
	b.wantOnce(t, 3)
}

// relay passes one connection on to a server, and replaces bytes that the server sends at once. ended is
// closed with the connection.
func relay(t *testing.T, server string, old, replacement []byte) (address string, ended <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must.OK(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	end := make(chan struct{})
	go func() {
		defer close(end)
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		upstream, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		go func() {
			_, _ = io.Copy(upstream, client)
			_ = upstream.Close()
		}()
		for buffer := make([]byte, 4096); ; {
			n, err := upstream.Read(buffer)
			if _, writeErr := client.Write(bytes.Replace(buffer[:n], old, replacement, 1)); err != nil || writeErr != nil {
				return
			}
		}
	}()
	return listener.Addr().String(), end
}
