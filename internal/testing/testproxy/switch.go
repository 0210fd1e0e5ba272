//go:build unix

package testproxy

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Switch is a relay of TCP that leads each new connection to the address that it
// is set to then, as a DNS name does that moves. Open connections stay.
type Switch struct {
	listener net.Listener
	mu       sync.Mutex
	upstream string
	open     []net.Conn
}

// NewSwitch puts a relay in front of an address, until the test ends.
func NewSwitch(t testing.TB, upstream string) *Switch {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Switch{listener: listener, upstream: upstream}
	go s.accept()
	t.Cleanup(s.close)
	return s
}

// Address is where it listens.
func (s *Switch) Address() string { return s.listener.Addr().String() }

// To leads connections that are made from now on to another address.
func (s *Switch) To(upstream string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upstream = upstream
}

func (s *Switch) accept() {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		upstream := s.upstream
		s.mu.Unlock()
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		s.mu.Lock()
		s.open = append(s.open, client, server)
		s.mu.Unlock()
		go pass(server, client)
		go pass(client, server)
	}
}

// pass passes on what one end sends, and closes both when it has ended.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

func (s *Switch) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, connection := range s.open {
		_ = connection.Close()
	}
}
