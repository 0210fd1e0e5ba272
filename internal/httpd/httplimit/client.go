package httplimit

import (
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
)

// manyConnections is what is sent, over plain HTTP, on a connection that is one
// too many of its client's.
const manyConnections = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nConnection: close\r\nCache-Control: no-store\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 78\r\n\r\n" +
	"your address has too many connections open to this server; close some of them\n"

// Refused connections are told so, at most refusing at a time, each for at most
// refuseTime; others are closed without a word.
const (
	refusing   = 32
	refuseTime = time.Second
)

// clientOf returns whom a connection counts for: the address at its other end, or
// nobody for a proxy that is trusted to count by itself, or by what it says of each
// request.
func (l *pacedListener) clientOf(conn net.Conn) (client string, counts bool) {
	address, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return "", false
	}
	peer, _ := netip.AddrFromSlice(address.IP)
	return forwarded.ClientOf(peer), !l.config.Trusted.Has(peer)
}

// refuse ends a connection that is one too many. It reads what the client sends
// meanwhile: to close a connection with something unread in it would take the
// answer back.
func (l *pacedListener) refuse(conn net.Conn) {
	l.config.Metrics.refused.Inc()
	if !l.config.Plain {
		_ = conn.Close()
		return
	}
	select {
	case l.refusing <- struct{}{}:
	default:
		_ = conn.Close()
		return
	}
	go func() {
		defer func() { <-l.refusing }()
		defer func() { _ = conn.Close() }()
		if conn.SetDeadline(time.Now().Add(refuseTime)) != nil {
			return
		}
		if _, err := io.WriteString(conn, manyConnections); err != nil {
			return
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(conn, 64<<10))
		}
	}()
}
