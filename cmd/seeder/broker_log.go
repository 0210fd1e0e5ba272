package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/seed"
)

// log returns the message log of the flags as a target. route is for a stream of JetStream.
func (b *brokerFlags) log(command *cobra.Command, route string) (target seed.Target, err error) {
	if err := b.readable(); err != nil {
		return target, err
	}
	switch kind := kindOf(b.url); kind {
	default:
		err = fmt.Errorf("%s is not a log", kind)
	}
	if err != nil {
		return target, cli.Usage("--publish %w", err)
	}
	return target, nil
}
