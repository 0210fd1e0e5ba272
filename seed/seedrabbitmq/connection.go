package seedrabbitmq

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

const (
	// dialLimit is the timeout of connecting, and of sending the login.
	dialLimit = 15 * time.Second
	// heartbeat is the interval of which both sides show at least twice that they live.
	heartbeat = 10 * time.Second
	// deadAfter is how long the other side may be silent before the connection is dead.
	deadAfter = 25 * time.Second
	// maxFrame is the frame size to ask for. The broker has the last word, with frame_max.
	maxFrame = 16 << 20
)

// connection is a connection with a channel in confirm mode. It is never repaired: after any
// error it is closed, and another one is opened.
type connection struct {
	conn    *amqp.Connection
	channel *amqp.Channel
	mu      sync.Mutex // protects raw and isCut
	raw     net.Conn
	isCut   bool

	alarm string // why the broker takes no messages, as it has said; empty if it takes them

	returns chan amqp.Return // each before the confirmation of its message
	blocked chan amqp.Blocking
	closed  chan *amqp.Error // why the channel was closed
	lost    chan *amqp.Error // why the connection was closed
}

// open connects, and checks that the exchange exists.
func (s *sink) open(ctx context.Context) (c *connection, err error) {
	config := amqp.Config{
		Vhost: s.to.VHost, Heartbeat: heartbeat, FrameSize: maxFrame,
		Properties: amqp.NewConnectionProperties(),
	}
	if config.TLSClientConfig, err = s.tlsConfig(); err != nil {
		return nil, err
	}
	if config.SASL, err = s.login(config.TLSClientConfig); err != nil {
		return nil, err
	}
	config.Properties.SetClientConnectionName("eventfeed publisher, " + checkpoint.Process())
	c = &connection{}
	config.Dial = func(network, addr string) (net.Conn, error) {
		dialing, cancel := context.WithTimeout(ctx, dialLimit)
		defer cancel()
		raw, err := (&net.Dialer{}).DialContext(dialing, network, addr)
		if err != nil {
			return nil, err
		}
		return c.keep(raw)
	}
	stop := context.AfterFunc(ctx, c.cut)
	defer stop()
	if c.conn, err = amqp.DialConfig(s.to.server(), config); err != nil {
		c.cut() // the library may have left it open
		return nil, dialError{err}
	}
	if err := c.begin(s.to.Name); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// tlsConfig returns the TLS configuration for one connection; nil without TLS.
func (s *sink) tlsConfig() (config *tls.Config, err error) {
	switch {
	case !s.to.TLS:
		return nil, nil
	case s.TLS == nil:
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	default:
		if config, err = s.TLS(); err != nil {
			return nil, err
		}
		config = config.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = s.to.Host
	}
	return config, nil
}

// login returns how to log in.
func (s *sink) login(config *tls.Config) ([]amqp.Authentication, error) {
	if s.Credentials != nil {
		user, password, err := s.Credentials()
		return []amqp.Authentication{&amqp.PlainAuth{Username: user, Password: password}}, err
	}
	if config != nil && (len(config.Certificates) > 0 || config.GetClientCertificate != nil) {
		return []amqp.Authentication{&amqp.ExternalAuth{}}, nil
	}
	return []amqp.Authentication{&amqp.PlainAuth{Username: "guest", Password: "guest"}}, nil
}

// keep notes the connection to the server, so that it can be cut.
func (c *connection) keep(raw net.Conn) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = raw
	if c.isCut {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	return liveConn{raw}, raw.SetWriteDeadline(time.Now().Add(dialLimit)) // the library lifts it after the login
}

// liveConn is a connection that breaks if the other side sends nothing for deadAfter. The library
// counts that time only while it can write, which a broker with an alarm does not let it do.
type liveConn struct{ net.Conn }

// Read sets the deadline of this read.
func (c liveConn) Read(b []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(deadAfter)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// SetReadDeadline does nothing.
func (liveConn) SetReadDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline of writes.
func (c liveConn) SetDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(t) }

// begin opens the channel. The buffer holds what a whole window can cause: the library throws a
// return away if nobody takes it within five seconds, and the confirmation would count.
func (c *connection) begin(exchange string) (err error) {
	c.blocked = c.conn.NotifyBlocked(make(chan amqp.Blocking, 64))
	c.lost = c.conn.NotifyClose(make(chan *amqp.Error, 1))
	if c.channel, err = c.conn.Channel(); err != nil {
		return err
	}
	c.closed = c.channel.NotifyClose(make(chan *amqp.Error, 1))
	if err := c.channel.ExchangeDeclarePassive(exchange, amqp.ExchangeTopic, true, false, false, false, nil); err != nil {
		return err
	}
	c.returns = c.channel.NotifyReturn(make(chan amqp.Return, 2*windowMessages))
	return c.channel.Confirm(false)
}

// why returns the error that closed the channel.
func (c *connection) why() error {
	for _, closed := range []chan *amqp.Error{c.closed, c.lost} {
		select {
		case err := <-closed:
			if err != nil {
				return err
			}
		default:
		}
	}
	return amqp.ErrClosed
}

// note notes that an alarm of the broker has begun, or has ended.
func (c *connection) note(b amqp.Blocking) {
	if c.alarm = ""; b.Active {
		c.alarm = b.Reason
	}
}

// noteAll notes what came while nothing was published.
func (c *connection) noteAll() {
	for {
		select {
		case b, isOpen := <-c.blocked:
			if !isOpen {
				return
			}
			c.note(b)
		default:
			return
		}
	}
}

// isOpen reports whether messages can be published, as far as it is known.
func (c *connection) isOpen() bool { return c != nil && !c.channel.IsClosed() && !c.conn.IsClosed() }

// cut ends the connection at once, whatever it is doing.
func (c *connection) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isCut = true; c.raw != nil {
		_ = c.raw.Close()
	}
}

// closeLimit is how long a connection may take to close in order.
const closeLimit = 2 * time.Second

// close closes the connection, in order if the broker answers.
func (c *connection) close() {
	if c.conn == nil {
		return
	}
	timer := time.AfterFunc(closeLimit, c.cut)
	defer timer.Stop()
	_ = c.conn.Close()
}
