// Package httplimit makes HTTP servers that slow clients cannot exhaust: each
// way to hold a connection, sending nothing, sending slowly, reading slowly,
// ends it after a while, but for waiting for an answer that takes its time.
package httplimit

import (
	"net/http"
	"time"

	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
)

// Config is what a client may take.
type Config struct {
	// Header is the time for a request's header, from its first byte on.
	// 0 means 10 s.
	Header time.Duration
	// HeaderBytes bounds a request's header. 0 means 32 KiB.
	HeaderBytes int
	// Idle is how long a connection is kept that asks for nothing. 0 means
	// 2 minutes.
	Idle time.Duration
	// Stall is how long the server waits, all in all, for a body to come or an
	// answer to be taken, beside the time that MinRate allows. 0 means 30 s.
	Stall time.Duration
	// MinRate is in bytes a second what a client must send or take. 0 means
	// 8 KiB.
	MinRate int64
	// Connections bounds how many are open at a time; more wait to be accepted.
	// 0 means as many as this process may open files, less a reserve for
	// databases and the like.
	Connections int
	// ClientConnections bounds how many of them are one client's: of one address,
	// or one network of IPv6. More are refused. 0 means no bound.
	ClientConnections int
	// Trusted are proxies, whose connections are their own business.
	Trusted forwarded.Trusted
	// Plain says that there is no TLS on the connections, so that those that are
	// refused can be told why.
	Plain bool
	// Fields are the header fields that handlers read of a GET or HEAD; see
	// [KeepFields]. Nil means all.
	Fields []string
	// Metrics counts connections. Nil means keep none.
	Metrics *Metrics
}

func (c Config) withDefaults() Config {
	defaultTo(&c.Header, 10*time.Second)
	defaultTo(&c.HeaderBytes, 32<<10)
	defaultTo(&c.Idle, 2*time.Minute)
	defaultTo(&c.Stall, 30*time.Second)
	defaultTo(&c.MinRate, 8<<10)
	defaultTo(&c.Connections, freeFiles())
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return c
}

func defaultTo[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// Server returns a server for what [Listener] accepts. It has no limit on the
// time that a handler takes: those that wait end by themselves.
func Server(handler http.Handler, config Config) *http.Server {
	config = config.withDefaults()
	return &http.Server{
		Handler:           KeepFields(paceRequests(handler, config), config.Fields),
		ReadHeaderTimeout: config.Header,
		ReadTimeout:       config.Header + config.Stall, // each read of a body renews it
		IdleTimeout:       config.Idle,
		MaxHeaderBytes:    config.HeaderBytes,
		HTTP2:             boundsOfHTTP2(),
	}
}

// boundsOfHTTP2 bounds what a connection of HTTP/2 may keep in memory: the largest frame,
// and the bodies that nobody reads yet, which net/http takes up to 1 MiB of, each.
func boundsOfHTTP2() *http.HTTP2Config {
	const least = 64 << 10 // by the protocol, less 1
	return &http.HTTP2Config{
		MaxConcurrentStreams:          100,
		MaxReadFrameSize:              16 << 10,
		MaxReceiveBufferPerConnection: least,
		MaxReceiveBufferPerStream:     least,
	}
}
