package seedrabbitmqstream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// address is where a stream is.
type address struct {
	tls           bool
	host, port    string
	vhost, stream string
}

// maxName is the length of the longest name of RabbitMQ, in bytes.
const maxName = 255

// parseURL parses the URL of a Stream.
func parseURL(raw string) (a address, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return a, errors.New("not a URL such as rabbitmq-stream://HOST:5552/VHOST?stream=NAME")
	}
	switch u.Scheme {
	case "rabbitmq-stream":
		a.port = "5552"
	case "rabbitmq-stream+tls":
		a.tls, a.port = true, "5551"
	default:
		return a, errors.New("the scheme must be rabbitmq-stream or rabbitmq-stream+tls")
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
		if name != "stream" {
			return a, fmt.Errorf("parameter %q: there is only stream", name)
		}
	}
	if a.stream = query.Get("stream"); a.stream == "" {
		return a, errors.New("names no stream: add ?stream=NAME")
	}
	if n := max(len(a.stream), len(a.vhost)); n > maxName {
		return a, fmt.Errorf("a name may have at most %d bytes, has %d", maxName, n)
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
	if stream := u.Query().Get("stream"); stream != "" {
		shown.RawQuery = url.Values{"stream": {stream}}.Encode()
	}
	return shown.String()
}

// target names the stream without its server, which may move.
func (a address) target() string { return fmt.Sprintf("stream %s of vhost %s", a.stream, a.vhost) }

// server returns host and port.
func (a address) server() string { return net.JoinHostPort(a.host, a.port) }

// String names the stream with its server.
func (a address) String() string { return a.target() + " at " + a.server() }

// isLoopback reports whether the broker is on this machine.
func (a address) isLoopback() bool {
	if a.host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(a.host)
	return err == nil && ip.IsLoopback()
}
