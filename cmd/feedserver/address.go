package main

import (
	"context"
	"net"

	"github.com/eventfeed/eventfeed/internal/cli"
)

// checkAddress holds --listen to the form of an address.
func checkAddress(ctx context.Context, flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(ctx, "tcp", port)
	}
	if err != nil {
		return cli.Usage("--%s %q: must be HOST:PORT, such as 127.0.0.1:8080: %w", flag, address, err)
	}
	return nil
}
