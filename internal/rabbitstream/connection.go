// Package rabbitstream speaks version 1 of RabbitMQ's stream protocol, as far as a publisher needs
// it: it publishes messages under ids of its own, asks for the last of these ids, and reads single
// messages.
//
// A connection is never repaired: after any error it is closed, and another one is opened.
//
// The protocol is described in deps/rabbitmq_stream/docs/PROTOCOL.adoc of rabbitmq-server.
package rabbitstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// dialLimit is the timeout of connecting, with the login.
	dialLimit = 15 * time.Second
	// heartbeat is the interval in which both sides show that they live.
	heartbeat = 10 * time.Second
	// deadAfter is how long the broker may be silent, or take or confirm nothing, before the
	// connection is dead.
	deadAfter = 25 * time.Second
	// closeLimit is how long closing in order may take.
	closeLimit = time.Second
	// maxFrame is the size of the largest frame that is read into memory, in bytes.
	maxFrame = 64 << 20
)

// Config says where to connect, and as whom.
type Config struct {
	Address        string // host and port
	VHost          string
	TLS            *tls.Config // nil without TLS
	User, Password string
	Name           string // of the connection, for people
}

// Connection is a connection to a node of the broker. All methods but Close are for one goroutine.
type Connection struct {
	node     string // advertised host and port
	frameMax int    // in bytes, with the length

	raw     net.Conn
	writing sync.Mutex

	correlation uint32
	responses   chan []byte // of the request that waits
	reading     reading
	publishing  publishing

	mu    sync.Mutex
	err   error         // why it ended
	ended chan struct{} // closed with err
}

// Dial connects and logs in. The errors of the broker match a CodeError, those of the TLS handshake are
// of package crypto/tls.
func Dial(ctx context.Context, config Config) (*Connection, error) {
	dialing, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(dialing, "tcp", config.Address)
	if err != nil {
		return nil, because(ctx, err)
	}
	stop := context.AfterFunc(dialing, func() { _ = raw.Close() })
	defer stop()
	if config.TLS != nil {
		secure := tls.Client(raw, config.TLS)
		if err := secure.HandshakeContext(dialing); err != nil {
			_ = raw.Close()
			return nil, because(ctx, fmt.Errorf("TLS handshake: %w", err))
		}
		raw = secure
	}
	c := &Connection{raw: raw, responses: make(chan []byte, 1), ended: make(chan struct{})}
	c.reading.found, c.publishing.changed = make(chan struct{}, 1), make(chan struct{}, 1)
	input := bufio.NewReaderSize(liveConn{raw}, 64<<10)
	if err := c.logIn(input, config); err != nil {
		_ = raw.Close()
		return nil, because(ctx, err)
	}
	go c.receive(input)
	go c.beat()
	return c, nil
}

// because returns the context's error if that is why a call failed.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// liveConn is a connection that breaks if the other side sends nothing for deadAfter.
type liveConn struct{ net.Conn }

func (c liveConn) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(deadAfter)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// Node returns host and port that the node shows to clients.
func (c *Connection) Node() string { return c.node }

// write sends a frame.
func (c *Connection) write(frame []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.raw.SetWriteDeadline(time.Now().Add(deadAfter)); err != nil {
		return c.fail(err)
	}
	if _, err := c.raw.Write(frame); err != nil {
		return c.fail(fmt.Errorf("send to the broker: %w", err))
	}
	return nil
}

// beat sends heartbeats until the connection ends.
func (c *Connection) beat() {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-ticker.C:
			if c.write(newFrame(nil, keyHeartbeat).done()) != nil {
				return
			}
		}
	}
}

// fail ends the connection with its first error, and returns that.
func (c *Connection) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		_ = c.raw.Close()
		close(c.ended)
	}
	return c.err
}

// why returns the error that ended the connection.
func (c *Connection) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// request sends a request whose fields follow the correlation id, and returns those of the response
// that follow the code.
func (c *Connection) request(ctx context.Context, key uint16, add func(frame) frame) (*fields, error) {
	defer c.during(ctx)()
	c.correlation++
	f := newFrame(nil, key).u32(c.correlation)
	if add != nil {
		f = add(f)
	}
	if err := c.write(f.done()); err != nil {
		return nil, because(ctx, err)
	}
	response, err := c.await(ctx)
	if err != nil {
		return nil, err
	}
	return c.responseTo(key, response)
}

// await waits for a response.
func (c *Connection) await(ctx context.Context) ([]byte, error) {
	timer := time.NewTimer(deadAfter)
	defer timer.Stop()
	select {
	case response := <-c.responses:
		return response, nil
	case <-c.ended:
		return nil, because(ctx, c.why())
	case <-timer.C:
		return nil, c.fail(&SilentError{What: "not answered", For: deadAfter})
	}
}

// responseTo checks that a frame is the response to the last request. Metadata has no code.
func (c *Connection) responseTo(key uint16, response []byte) (*fields, error) {
	f := &fields{rest: response}
	if got := f.u16(); got != key|isResponse {
		return nil, c.fail(fmt.Errorf("the broker answered request %d with a frame of type %#x", key, got))
	}
	_ = f.u16() // the version
	if got := f.u32(); got != c.correlation {
		return nil, c.fail(fmt.Errorf("the broker answered request %d with the number %d instead of %d", key, got, c.correlation))
	}
	if key == keyMetadata {
		return f, nil
	}
	return f, failed(CodeError(f.u16()))
}

// during ends the connection if the context is done before the returned function is called.
func (c *Connection) during(ctx context.Context) (done func()) {
	stop := context.AfterFunc(ctx, func() { _ = c.fail(ctx.Err()) })
	return func() { stop() }
}

// receive reads frames until the connection ends.
func (c *Connection) receive(input *bufio.Reader) {
	for {
		if err := c.receiveFrame(input); err != nil {
			_ = c.fail(fmt.Errorf("the connection to the broker broke: %w", err))
			return
		}
	}
}

func (c *Connection) receiveFrame(input *bufio.Reader) error {
	head, err := input.Peek(6)
	if err != nil {
		return err
	}
	size, key := binary.BigEndian.Uint32(head), binary.BigEndian.Uint16(head[4:])
	_, _ = input.Discard(4)
	if key == keyDeliver {
		return c.reading.deliver(&io.LimitedReader{R: input, N: int64(size)})
	}
	content, err := readFrame(input, size)
	if err != nil {
		return err
	}
	f := &fields{rest: content[4:]}
	switch {
	case key == keyHeartbeat:
		return nil
	case key == keyPublishConfirm:
		return c.publishing.confirm(f)
	case key == keyPublishError:
		return refusal(f)
	case key == keyMetadataUpdate:
		return fmt.Errorf("stream %s has moved to another node, or was deleted: %w", streamOf(f), ErrStreamNotAvailable)
	case key == keyClose:
		_ = f.u32() // the correlation id
		return fmt.Errorf("the broker closed the connection: %w: %s", CodeError(f.u16()), f.text())
	case key&isResponse != 0:
		select {
		case c.responses <- content:
			return nil
		default:
			return errors.New("the broker answered a request that was not made")
		}
	}
	return fmt.Errorf("the broker sent a frame of the unknown type %#x", key)
}

func streamOf(f *fields) string {
	_ = f.u16() // the code
	return f.text()
}

// readFrame reads the content of a frame.
func readFrame(input io.Reader, size uint32) ([]byte, error) {
	if size < 4 || size > maxFrame {
		return nil, fmt.Errorf("the broker sent a frame of %d bytes", size)
	}
	content := make([]byte, size)
	_, err := io.ReadFull(input, content)
	return content, err
}

// Close disconnects, in order if the broker answers soon.
func (c *Connection) Close() {
	select {
	case <-c.ended:
		return
	default:
	}
	timer := time.AfterFunc(closeLimit, func() { _ = c.raw.Close() })
	defer timer.Stop()
	c.correlation++
	if c.write(newFrame(nil, keyClose).u32(c.correlation).u16(uint16(ok)).text("OK").done()) == nil {
		_, _ = c.await(context.Background())
	}
	_ = c.fail(net.ErrClosed)
}
