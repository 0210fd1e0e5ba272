//go:build unix

package testproxy

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Cut is a relay of TCP that cuts one connection, right behind a byte that the server sends, and does
// nothing to any other.
type Cut struct {
	Reset bool // by a reset, not an orderly end
	Last  bool // takes no connection any more from then on

	at, sent atomic.Int64
	listener net.Listener
	upstream string
	mu       sync.Mutex
	open     []net.Conn
}

// NewCut puts a relay in front of an address, until the test ends. It cuts behind the byte of this
// number, of all that it passes on from the server; 0 is before the first one, and a negative number
// cuts nothing.
func NewCut(t testing.TB, upstream string, at int64) *Cut {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cut{listener: listener, upstream: upstream}
	c.at.Store(at)
	go c.accept()
	t.Cleanup(c.close)
	return c
}

// After lets it cut behind the next n bytes that it passes on from the server.
func (c *Cut) After(n int64) { c.at.Store(c.sent.Load() + n) }

// Address is where it listens.
func (c *Cut) Address() string { return c.listener.Addr().String() }

// Sent is how many bytes the server has sent.
func (c *Cut) Sent() int64 { return c.sent.Load() }

func (c *Cut) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", c.upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		c.mu.Lock()
		c.open = append(c.open, client, server)
		c.mu.Unlock()
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		go c.pass(client.(*net.TCPConn), server)
	}
}

// pass passes on what the server sends.
func (c *Cut) pass(client *net.TCPConn, server net.Conn) {
	defer func() { _ = server.Close() }()
	defer func() { _ = client.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := server.Read(buffer)
		at, end := c.at.Load(), c.sent.Add(int64(n))
		if n > 0 && at >= 0 && at < end && c.at.CompareAndSwap(at, -1) {
			_, _ = client.Write(buffer[:max(0, at-(end-int64(n)))])
			if c.Last {
				_ = c.listener.Close()
			}
			if c.Reset {
				_ = client.SetLinger(0)
			}
			return
		}
		if _, writeErr := client.Write(buffer[:n]); writeErr != nil || err != nil {
			return
		}
	}
}

func (c *Cut) close() {
	_ = c.listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, connection := range c.open {
		_ = connection.Close()
	}
}
