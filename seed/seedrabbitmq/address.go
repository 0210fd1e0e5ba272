package seedrabbitmq

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// address is where an exchange is.
type address struct {
	tls             bool
	host, port      string
	vhost, exchange string
}

// parseURL parses the URL of an Exchange.
func parseURL(raw string) (a address, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return a, errors.New("not a URL such as amqp://HOST:5672/VHOST?exchange=NAME")
	}
	switch u.Scheme {
	case "amqp":
		a.port = "5672"
	case "amqps", "amqp+tls":
		a.tls, a.port = true, "5671"
	default:
		return a, errors.New("the scheme must be amqp or amqps")
	}
	if u.User != nil {
		return a, errors.New("has a user or a password, which other users of the machine could read; remove them from the URL")
	}
	if a.host = u.Hostname(); a.host == "" {
		return a, errors.New("has no host")
	}
	if u.Port() != "" {
		a.port = u.Port()
	}
	if a.vhost, err = url.PathUnescape(strings.TrimPrefix(u.EscapedPath(), "/")); err != nil {
		return a, fmt.Errorf("vhost: %w", err)
	}
	if a.vhost == "" {
		a.vhost = "/"
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return a, fmt.Errorf("parameters: %w", err)
	}
	for name := range query {
		if name != "exchange" {
			return a, fmt.Errorf("parameter %q: there is only exchange", name)
		}
	}
	if a.exchange = query.Get("exchange"); a.exchange == "" {
		return a, errors.New("names no exchange: add ?exchange=NAME")
	}
	return a, nil
}

// shown returns the parts of a URL that are no secret, whatever was typed.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return "the URL of the broker"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if exchange := u.Query().Get("exchange"); exchange != "" {
		shown.RawQuery = url.Values{"exchange": {exchange}}.Encode()
	}
	return shown.String()
}

// target names the exchange: where a consumer of the target publishes to, whatever host its
// broker has.
func (a address) target() string { return fmt.Sprintf("exchange %s of vhost %s", a.exchange, a.vhost) }

// server returns the URL of the server, for the client library.
func (a address) server() string {
	scheme := "amqp"
	if a.tls {
		scheme = "amqps"
	}
	return scheme + "://" + net.JoinHostPort(a.host, a.port)
}

// String names the exchange with its server.
func (a address) String() string { return a.target() + " at " + net.JoinHostPort(a.host, a.port) }

// isLoopback reports whether the broker is on this machine.
func (a address) isLoopback() bool {
	if a.host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(a.host)
	return err == nil && ip.IsLoopback()
}
