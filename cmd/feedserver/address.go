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

// listenOn listens on the address of --listen.
func listenOn(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "choose another address with --listen; port 0 picks a free port"}
	}
	return listener, nil
}

// tryListen returns the error that listenOn would. A server calls it before it
// waits for its database, since waiting does not mend an address. It does not keep
// the listener: until the server can answer, a client is refused and may ask another
// server, instead of waiting for an answer.
func tryListen(address string) error {
	listener, err := listenOn(address)
	if err != nil {
		return err
	}
	return listener.Close()
}
