// Package seedrabbitmqstream creates targets of package seed that publish a feed to a stream of
// RabbitMQ, over its stream protocol. The stream's last message is the checkpoint.
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
//		"github.com/eventfeed/eventfeed/seed/seedrabbitmqstream"
//	)
//
//	func main() {
//		orders, err := seedrabbitmqstream.Open(seedrabbitmqstream.Stream{URL: "rabbitmq-stream://localhost/?stream=orders"})
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
// docs/brokers.md of the module describes the messages, and the rule by which a consumer applies
// each of them once.
package seedrabbitmqstream

import (
	"crypto/tls"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/brokerurl"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Stream configures a publisher. URL is required.
type Stream struct {
	// URL is rabbitmq-stream://HOST:PORT/VHOST?stream=NAME, or rabbitmq-stream+tls://… for TLS. The
	// port defaults to 5552, and 5551 with TLS, the vhost to /. The stream must exist, and holds
	// nothing but one feed. The URL has no user and no password.
	URL string
	// Credentials returns user and password; it is called for each connection. nil means guest and
	// guest, which RabbitMQ accepts on the loopback interface only. A client certificate logs nobody
	// in: over the stream protocol, RabbitMQ 3.10 breaks off a login with SASL EXTERNAL.
	Credentials func() (user, password string, err error)
	// TLS returns the configuration of a connection to a +tls URL; it is called for each connection.
	// nil means the system's authorities.
	TLS func() (*tls.Config, error)
	// PlainPassword allows to send a password without TLS to another host than this one.
	PlainPassword bool
}

// Open returns a target for one feed. It checks the configuration, and does not connect yet.
func Open(s Stream) (seed.Target, error) {
	to, err := parseURL(s.URL)
	if err != nil {
		return seed.Target{}, fmt.Errorf("%s: %w", form.Shown(s.URL), err)
	}
	if s.Credentials != nil && !to.TLS && !brokerurl.IsLoopback(to.Host) && !s.PlainPassword {
		return seed.Target{}, fmt.Errorf("%s: the password would cross the network unencrypted; use rabbitmq-stream+tls://, or allow it with --broker-plaintext (in Go: PlainPassword)", to)
	}
	return broker.NewTarget(to.String(), to.target(), func() broker.Log { return &log{Stream: s, to: to} }), nil
}
