// Package seedrabbitmq creates publishers of package seed that publish to an exchange of RabbitMQ,
// over AMQP 0-9-1.
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
//		"github.com/eventfeed/eventfeed/seed/seedrabbitmq"
//		"github.com/eventfeed/eventfeed/seed/seedsqlite"
//	)
//
//	func main() {
//		orders, err := seedrabbitmq.Open(seedrabbitmq.Exchange{URL: "amqp://localhost/?exchange=orders"})
//		if err != nil {
//			log.Fatal(err)
//		}
//		err = seed.Run(context.Background(), seed.Config{
//			From:   []string{"http://orders.internal/feeds/orders"},
//			Into:   seedsqlite.Open("relay.db").Publish(orders),
//			Follow: true,
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
// docs/brokers.md of the module describes the messages, and the rule by which a consumer applies
// each of them once.
package seedrabbitmq

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/internal/brokerurl"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Exchange configures a publisher. URL is required.
type Exchange struct {
	// URL is amqp://HOST:PORT/VHOST?exchange=NAME, or amqps://… for TLS. The port defaults to 5672,
	// and 5671 with TLS, the vhost to /. The exchange must exist. The URL has no user and no
	// password.
	URL string
	// Route is a template of the routing key, of text and {feed}, {type} and {subject}. Empty means
	// {feed}.{type}. A routing key has at most 255 bytes.
	Route string
	// Unroutable is what to do with a message that goes to no queue.
	Unroutable Unroutable
	// Credentials returns user and password; it is called for each connection. nil means guest and
	// guest, which RabbitMQ accepts on the loopback interface only; or, if TLS has a client
	// certificate, the user that it names (SASL EXTERNAL).
	Credentials func() (user, password string, err error)
	// TLS returns the configuration of a connection to an amqps URL; it is called for each
	// connection. nil means the system's authorities.
	TLS func() (*tls.Config, error)
	// PlainPassword allows to send a password without TLS to another host than this one.
	PlainPassword bool
	// Patience is the retry timeout: how long a broker that is unavailable, or that refuses a
	// message, is tried again. Each confirmed message starts it again. 0 means a minute, a negative
	// value no limit.
	Patience time.Duration

	Logger *slog.Logger // nil discards the log
}

// Unroutable is what to do with a message that goes to no queue. A message that an alternate
// exchange takes counts as routed.
type Unroutable int

const (
	// Stop ends the run with an error, and the checkpoint before the message.
	Stop Unroutable = iota
	// Count counts the message in Progress.Unroutable, and goes on.
	Count
)

// defaultPatience is that of an Exchange with none.
const defaultPatience = time.Minute

// Open returns a publisher. It checks the configuration, and does not connect yet.
func Open(e Exchange) (seed.Publisher, error) {
	to, err := parseURL(e.URL)
	if err != nil {
		return seed.Publisher{}, fmt.Errorf("%s: %w", form.Shown(e.URL), err)
	}
	route, err := broker.ParseRoute(e.Route)
	if err != nil {
		return seed.Publisher{}, err
	}
	if e.Credentials != nil && !to.TLS && !brokerurl.IsLoopback(to.Host) && !e.PlainPassword {
		return seed.Publisher{}, fmt.Errorf("%s: the password would cross the network unencrypted; use amqps://, or allow it with --broker-plaintext (in Go: PlainPassword)", to)
	}
	if e.Patience == 0 {
		e.Patience = defaultPatience
	}
	if e.Logger == nil {
		e.Logger = slog.New(slog.DiscardHandler)
	}
	return seed.NewPublisher(checkpoint.Description{
		Sink:     checkpoint.Consumer{PublishesTo: to.target()},
		External: func(h checkpoint.Hold) checkpoint.External { return newSink(e, to, route, h) },
	}), nil
}
