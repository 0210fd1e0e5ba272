// Package seedkafka creates targets of package seed that publish the history of a feed to a topic of
// Apache Kafka, each event exactly once and in order.
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
//		"github.com/eventfeed/eventfeed/seed/seedkafka"
//	)
//
//	func main() {
//		orders, err := seedkafka.Open(seedkafka.Topic{URL: "kafka://localhost:9092/orders"})
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
// The publisher's checkpoint is in Kafka: each step is a transaction of events and of a record in the
// topic eventfeed-checkpoints, which is compacted. Consumers must read with isolation.level =
// read_committed. docs/brokers.md of the module describes the messages, docs/kafka.md how to set up the topics.
package seedkafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/broker"
)

// Topic configures a publisher. URL is required.
type Topic struct {
	// URL is kafka://HOST:PORT,HOST:PORT/TOPIC, or kafka+tls://… for TLS. One broker suffices: it
	// tells which others there are. The port defaults to 9092. The topic must exist. The URL has no
	// user and no password.
	URL string
	// Mechanism is how user and password log in: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN. Empty means
	// SCRAM-SHA-512.
	Mechanism string
	// Credentials returns user and password; it is called for each connection. nil means no login,
	// unless TLS has a client certificate.
	Credentials func() (user, password string, err error)
	// TLS returns the configuration of a connection to a kafka+tls URL; it is called for each
	// connection. nil means the system's authorities.
	TLS func() (*tls.Config, error)
	// PlainPassword allows to send a password without TLS to another host than this one.
	PlainPassword bool

	Logger *slog.Logger // nil discards the log
}

// Open returns a target for one feed. It checks the configuration, and does not connect yet.
func Open(t Topic) (seed.Target, error) { return open(t, options{}) }

func open(t Topic, o options) (seed.Target, error) {
	newLog, to, err := logs(t, o)
	if err != nil {
		return seed.Target{}, err
	}
	return broker.NewTarget(to.String(), to.target(), newLog), nil
}

// logs returns what makes logs for a topic.
func logs(t Topic, o options) (newLog func() broker.Log, to address, err error) {
	if to, err = parseURL(t.URL); err != nil {
		return nil, to, fmt.Errorf("%s: %w", shown(t.URL), err)
	}
	if t.Mechanism == "" {
		t.Mechanism = scramSHA512
	}
	if !isMechanism(t.Mechanism) {
		return nil, to, fmt.Errorf("SASL mechanism %q: use %s, %s or %s", t.Mechanism, scramSHA512, scramSHA256, plainSASL)
	}
	if t.Credentials != nil && !to.tls && !to.allLoopback() && !t.PlainPassword {
		return nil, to, fmt.Errorf("%s: %w", to, errPlainPassword)
	}
	if t.Logger == nil {
		t.Logger = slog.New(slog.DiscardHandler)
	}
	return func() broker.Log { return &log{config: t, to: to, options: o.withDefaults()} }, to, nil
}

var errPlainPassword = errors.New("the password would cross the network unencrypted; use kafka+tls://, or allow it with --broker-plaintext (in Go: PlainPassword)")
