package seednats

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// timeouts are those of a connection.
type timeouts struct {
	dial   time.Duration // of connecting to a server, and of each of its answers until the login is done
	ping   time.Duration // the interval in which the server shows that it lives
	dead   time.Duration // how long the server may be silent, or take no bytes, before the connection is dead
	answer time.Duration // of an answer of JetStream: the server may live, and the stream have no leader
	quiet  time.Duration // how long no message comes after the last one of a publisher that has died
	rival  time.Duration // how long messages of a publisher that has died can be on the way
}

var defaultTimeouts = timeouts{dial: 10 * time.Second, ping: 8 * time.Second, dead: 25 * time.Second, answer: 10 * time.Second, quiet: time.Second, rival: 30 * time.Second}

// inboxPrefix begins the subjects of all answers, so that a user needs no right to read others.
const inboxPrefix = "_INBOX.eventfeed"

// connection is a connection to a server. It is never repaired: after any error it is closed, and
// another one is opened.
type connection struct {
	timeouts
	nc     *nats.Conn
	acks   chan *nats.Msg // the answers to published messages
	prefix string         // of their subjects, with a dot at the end

	alive context.Context // canceled when the connection is lost, or the server refused something
	fail  context.CancelCauseFunc

	mu      sync.Mutex // protects what follows
	raw     []*liveConn
	isCut   bool
	dialErr error
}

var errLost = errors.New("the connection to the server was lost")

// connect connects to one of the servers and logs in.
func (l *log) connect(ctx context.Context) (c *connection, err error) {
	options := nats.GetDefaultOptions()
	options.Servers = l.to.servers()
	options.Name = "eventfeed publisher, " + checkpoint.Process()
	options.AllowReconnect, options.IgnoreDiscoveredServers, options.SkipHostLookup = false, true, true
	options.Timeout, options.FlusherTimeout = l.timeouts.dial, l.timeouts.dead
	options.PingInterval, options.MaxPingsOut = l.timeouts.ping, int(l.timeouts.dead/l.timeouts.ping)
	options.InboxPrefix = inboxPrefix
	if options.Secure = l.to.tls; l.TLS != nil {
		if options.TLSConfig, err = l.TLS(); err != nil {
			return nil, err
		}
	}
	if err := l.login(&options); err != nil {
		return nil, err
	}
	c = &connection{timeouts: l.timeouts, acks: make(chan *nats.Msg, windowMessages+1)}
	c.alive, c.fail = context.WithCancelCause(context.WithoutCancel(ctx))
	options.CustomDialer = dialer{c, ctx}
	options.AsyncErrorCB = func(_ *nats.Conn, _ *nats.Subscription, err error) { c.fail(err) }
	options.DisconnectedErrCB = func(_ *nats.Conn, err error) { c.fail(lost(err)) }
	options.ClosedCB = func(nc *nats.Conn) { c.fail(lost(nc.LastError())) }
	stop := context.AfterFunc(ctx, c.cut)
	defer stop()
	if c.nc, err = options.Connect(); err != nil {
		c.close()
		if errors.Is(err, nats.ErrNoServers) && c.dialErr != nil {
			err = c.dialErr
		}
		return nil, l.explainLogin(err)
	}
	c.established()
	c.prefix = c.nc.NewInbox() + "."
	if _, err := c.nc.ChanSubscribe(c.prefix+"*", c.acks); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func lost(err error) error {
	if err == nil {
		return errLost
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// login sets how to log in.
func (l *log) login(o *nats.Options) (err error) {
	switch {
	case l.Credentials != nil:
		o.User, o.Password, err = l.Credentials()
	case l.CredsFile != "":
		var content []byte
		if content, err = readCreds(l.CredsFile); err != nil {
			err = fmt.Errorf("read the credentials file: %w", err)
			if l.loggedIn {
				return err // it may be replaced at this moment
			}
			return &broker.OperatorError{Usage: true, Err: err, Next: "check --broker-creds"}
		}
		err = nats.UserCredentialBytes(content)(o)
	}
	return err
}

// readCreds reads a credentials file and makes sure that it has a JWT and a key.
func readCreds(path string) ([]byte, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	_, jwtErr := nkeys.ParseDecoratedJWT(content)
	_, keyErr := nkeys.ParseDecoratedNKey(content)
	if err := errors.Join(jwtErr, keyErr); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return content, nil
}

// dialer opens the connections of a connection: one, or several if the first servers do not answer.
type dialer struct {
	c   *connection
	ctx context.Context // the library's interface has none
}

// Dial connects to a server.
func (d dialer) Dial(network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(d.ctx, d.c.dial)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	d.c.mu.Lock()
	defer d.c.mu.Unlock()
	if err != nil {
		d.c.dialErr = err
		return nil, err
	}
	live := &liveConn{Conn: raw, silence: d.c.dial}
	d.c.raw = append(d.c.raw, live)
	if d.c.isCut {
		_ = raw.Close()
		return nil, net.ErrClosed
	}
	return live, nil
}

// liveConn is a connection that breaks if the other side sends nothing for a time.
type liveConn struct {
	net.Conn
	mu      sync.Mutex
	silence time.Duration
}

// Read sets the deadline of this read.
func (c *liveConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	deadline := time.Now().Add(c.silence)
	c.mu.Unlock()
	if err := c.Conn.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

// SetReadDeadline does nothing.
func (*liveConn) SetReadDeadline(time.Time) error { return nil }

// SetDeadline sets the deadline of writes.
func (c *liveConn) SetDeadline(t time.Time) error { return c.SetWriteDeadline(t) }

// established lets the server be silent for longer than while it was connecting.
func (c *connection) established() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, raw := range c.raw {
		raw.mu.Lock()
		raw.silence = c.dead
		raw.mu.Unlock()
	}
}

// cut ends the connection at once, whatever it is doing.
func (c *connection) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.isCut = true
	for _, raw := range c.raw {
		_ = raw.Close()
	}
}

// close closes the connection. What is not sent yet is not sent any more.
func (c *connection) close() {
	c.cut()
	if c.nc != nil {
		c.nc.Close()
	}
	c.fail(errLost)
}

// isOlderThan reports whether a version of a server is lower than another one; false if it cannot be
// read.
func isOlderThan(version string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d", &a, &b); err != nil {
		return false
	}
	return a < major || a == major && b < minor
}
