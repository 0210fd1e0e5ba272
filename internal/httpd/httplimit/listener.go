package httplimit

import (
	"net"
	"sync"

	"github.com/eventfeed/eventfeed/internal/quota"
)

// mostConnections is a bound where the operating system has none.
const mostConnections = 1 << 20

// Listener bounds the number of connections, and how slowly their other ends
// may take what is sent. TLS stands on top of it. Unlike what
// golang.org/x/net/netutil has for the first, it lets the kernel send files.
func Listener(listener net.Listener, config Config) net.Listener {
	config = config.withDefaults()
	config.Metrics.limit.Set(float64(config.Connections))
	return &pacedListener{
		Listener: listener, config: config,
		places: make(chan struct{}, config.Connections), closed: make(chan struct{}),
		clients: quota.NewClients(int64(config.ClientConnections)), refusing: make(chan struct{}, refusing),
	}
}

type pacedListener struct {
	net.Listener
	config   Config
	places   chan struct{}  // one for each connection
	clients  *quota.Clients // connections
	refusing chan struct{}  // one for each connection that is told so
	closed   chan struct{}
	close    sync.Once
}

// Accept waits for a place before it takes a connection. It refuses those that are
// one too many of their client's.
func (l *pacedListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	case l.places <- struct{}{}:
	}
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			return nil, err
		}
		client, counts := l.clientOf(conn)
		if counts && !l.clients.Take(client, 1) {
			l.refuse(conn)
			continue
		}
		open := l.config.Metrics.open
		open.Inc()
		leave := sync.OnceFunc(func() {
			open.Dec()
			if counts {
				l.clients.Give(client, 1)
			}
			<-l.places
		})
		return &pacedConn{Conn: conn, pace: pace{Config: l.config}, leave: leave}, nil
	}
}

// Close ends a wait for a place too.
func (l *pacedListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
