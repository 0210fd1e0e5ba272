package httplimit

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// piece is how much is written under one deadline, so that a client that takes
// nothing at all is noticed before the whole of a page could have been sent.
const piece = 64 << 10

// pacedConn is a connection whose other end must take what it is sent. Reading
// is left to net/http, which knows what it waits for.
type pacedConn struct {
	net.Conn
	writing sync.Mutex // pace is for the one who writes
	pace    pace

	mu    sync.Mutex
	limit time.Time // that someone else has set, zero if nobody has

	leave func() // gives the place back
}

// Write writes in pieces, each under a deadline of its own.
func (c *pacedConn) Write(p []byte) (written int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for {
		part := p[written:min(written+piece, len(p))]
		n, err := c.paced(int64(len(part)), func() (int64, error) {
			n, err := c.Conn.Write(part)
			return int64(n), err
		})
		written += int(n)
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// ReadFrom lets the kernel send files, in pieces too.
func (c *pacedConn) ReadFrom(r io.Reader) (total int64, err error) {
	kernel, ok := c.Conn.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	// A file is recognised behind one limit, not behind two.
	whole, limited := r.(*io.LimitedReader)
	if !limited {
		whole = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	for whole.N > 0 {
		part := &io.LimitedReader{R: whole.R, N: min(piece, whole.N)}
		n, err := c.paced(part.N, func() (int64, error) { return kernel.ReadFrom(part) })
		total += n
		whole.N -= n
		if err != nil || part.N > 0 { // broken, or at its end
			return total, err
		}
	}
	return total, nil
}

func (c *pacedConn) paced(size int64, write func() (int64, error)) (int64, error) {
	began := time.Now()
	if err := c.arm(began.Add(c.pace.allowed(size))); err != nil {
		return 0, err
	}
	n, err := write()
	c.pace.took(n, began)
	return n, err
}

// arm sets the deadline of the next write, unless another one comes before.
func (c *pacedConn) arm(deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.limit.IsZero() && c.limit.Before(deadline) {
		deadline = c.limit
	}
	return c.Conn.SetWriteDeadline(deadline)
}

// SetWriteDeadline sets a deadline that holds beside ours.
func (c *pacedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *pacedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite ends what is sent and goes on to read, as net/http does so that a
// client sees an error before its connection ends.
func (c *pacedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close makes room for another connection.
func (c *pacedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
