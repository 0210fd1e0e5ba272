// Package seednats creates targets of package seed that publish a feed to a stream of NATS JetStream.
//
// The stream must exist. Its last message is the publisher's checkpoint, so a publisher needs no
// database, and continues where the stream ends.
//
// A complete program, which publishes the orders and then every new one:
//
//	package main
//
//	import (
//		"context"
//		"log"
//
//		"github.com/eventfeed/eventfeed/seed"
//		"github.com/eventfeed/eventfeed/seed/seednats"
//	)
//
//	func main() {
//		orders, err := seednats.Open(seednats.Stream{URL: "nats://localhost/ORDERS"})
//		if err != nil {
//			log.Fatal(err)
//		}
//		err = seed.Run(context.Background(), seed.Config{
//			From:   []string{"http://orders.internal/feeds/orders"},
//			Into:   orders,
//			Follow: true,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
// docs/brokers.md of the module describes the messages, docs/jetstream.md how the stream is created.
package seednats

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Stream configures a publisher. URL is required.
type Stream struct {
	// URL is nats://HOST:PORT/STREAM, or nats+tls://… for TLS. Several hosts of a cluster are separated
	// by commas: nats://a:4222,b:4222/STREAM. The port defaults to 4222. The URL has no user and no
	// password.
	URL string
	// Route is a template of the subject, of text and {feed}, {type} and {subject}. Empty means
	// {feed}.{type}. In the values, each byte other than A–Z a–z 0–9 - _ and a dot between two tokens
	// is written %XX; an empty value is written _. The stream must take the subjects.
	Route string
	// Credentials returns user and password; it is called for each connection. nil means none.
	Credentials func() (user, password string, err error)
	// CredsFile is a file with a user's JWT and nkey, as nsc writes it. It is read for each connection.
	CredsFile string
	// TLS returns the configuration of a connection with TLS; it is called for each connection. nil
	// means the system's authorities. A server that requires TLS gets it for a nats:// URL too.
	TLS func() (*tls.Config, error)
	// PlainPassword allows to send a password without TLS to another host than this one.
	PlainPassword bool

	Logger *slog.Logger // nil discards the log
}

// Open returns a target that publishes to a stream. It checks the configuration, and does not connect
// yet. Each run of the target publishes with a connection of its own.
func Open(s Stream) (seed.Target, error) {
	to, err := parseURL(s.URL)
	if err != nil {
		return seed.Target{}, fmt.Errorf("%s: %w", shown(s.URL), err)
	}
	route, err := parseRoute(s.Route)
	if err != nil {
		return seed.Target{}, err
	}
	if s.Credentials != nil && s.CredsFile != "" {
		return seed.Target{}, fmt.Errorf("%s: both a user with password and a credentials file are given; give one of them", to)
	}
	if s.Credentials != nil && !to.tls && !to.isLoopback() && !s.PlainPassword {
		return seed.Target{}, fmt.Errorf("%s: the password would cross the network unencrypted; use nats+tls://, or allow it with --broker-plaintext (in Go: PlainPassword)", to)
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return broker.NewTarget(to.String(), to.target(), func() broker.Log { return newLog(s, to, route) }), nil
}
