package seednats

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/internal/brokerurl"
)

// address is where a stream is.
type address struct {
	tls    bool
	hosts  []string // host:port of each server
	stream string
}

// parseURL parses the URL of a Stream.
func parseURL(raw string) (a address, err error) {
	scheme, rest, found := strings.Cut(raw, "://")
	scheme = strings.ToLower(scheme)
	switch {
	case !found:
		return a, errors.New("not a URL such as nats://HOST:4222/STREAM")
	case scheme == "tls", scheme == "nats+tls":
		a.tls = true
	case scheme != "nats":
		return a, errors.New("the scheme must be nats or nats+tls")
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if strings.Contains(rest, "@") {
		return a, errors.New("has a user or a password, which other users of the machine could read; remove them from the URL")
	}
	if strings.ContainsAny(rest, "?#") {
		return a, errors.New("has parameters, and there are none")
	}
	for host := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse("nats://" + host)
		if err != nil || u.Hostname() == "" {
			return a, fmt.Errorf("%q is not HOST or HOST:PORT", host)
		}
		port := u.Port()
		if port == "" {
			port = "4222"
		} else if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return a, fmt.Errorf("%q: the port must be 1 to 65535", host)
		}
		a.hosts = append(a.hosts, net.JoinHostPort(u.Hostname(), port))
	}
	if a.stream, err = url.PathUnescape(path); err != nil {
		return a, fmt.Errorf("stream: %w", err)
	}
	switch {
	case a.stream == "":
		return a, errors.New("names no stream: add /STREAM")
	case strings.ContainsFunc(a.stream, isNotInStreamNames):
		return a, fmt.Errorf("%q is no name of a stream: it has a space, a slash, or one of . * >", a.stream)
	}
	return a, nil
}

// isNotInStreamNames reports whether names of streams must not have a character.
func isNotInStreamNames(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`.*>/\`, r)
}

// shown returns the parts of a URL that are no secret, whatever was typed.
func shown(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	rest, _, _ = strings.Cut(rest, "?")
	if !found || strings.Contains(rest, "@") {
		return "the URL of the broker"
	}
	return scheme + "://" + rest
}

// servers returns the URLs of the servers, for the client library.
func (a address) servers() (all []string) {
	scheme := "nats://"
	if a.tls {
		scheme = "tls://"
	}
	for _, host := range a.hosts {
		all = append(all, scheme+host)
	}
	return all
}

// target names the stream: where a publisher publishes to, whatever hosts its broker has.
func (a address) target() string { return "stream " + a.stream }

// String names the stream with its servers.
func (a address) String() string { return a.target() + " at " + strings.Join(a.hosts, ",") }

// isLoopback reports whether all servers are on this machine.
func (a address) isLoopback() bool {
	for _, server := range a.hosts {
		host, _, err := net.SplitHostPort(server)
		if err != nil || !brokerurl.IsLoopback(host) {
			return false
		}
	}
	return true
}
