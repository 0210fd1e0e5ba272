package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedkafka"
	"github.com/eventfeed/eventfeed/seed/seednats"
	"github.com/eventfeed/eventfeed/seed/seedrabbitmqstream"
)

// log returns the message log of the flags as a target.
func (b *brokerFlags) log(command *cobra.Command) (target seed.Target, err error) {
	if err := b.readable(); err != nil {
		return target, err
	}
	logger := cli.Logger(command.ErrOrStderr())
	switch kind := kindOf(b.url); kind {
	case kafkaBroker:
		target, err = seedkafka.Open(seedkafka.Topic{
			URL: b.url, Mechanism: b.sasl, Credentials: b.login(), PlainPassword: b.plain, TLS: b.tls, Logger: logger,
		})
	case natsBroker:
		target, err = seednats.Open(seednats.Stream{
			URL: b.url, Route: b.route, Credentials: b.login(), CredsFile: b.creds, PlainPassword: b.plain, TLS: b.tls, Logger: logger,
		})
	case streamBroker:
		target, err = seedrabbitmqstream.Open(seedrabbitmqstream.Stream{
			URL: b.url, Credentials: b.login(), PlainPassword: b.plain, TLS: b.tls,
		})
	default:
		err = fmt.Errorf("%s: %s is no log", b.url, kind)
	}
	if err != nil {
		return target, cli.Usage("--publish %w", err)
	}
	return target, nil
}
