package brokerurl

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// RabbitMQ is where something is that RabbitMQ has: an exchange, or a stream.
type RabbitMQ struct {
	TLS               bool
	Host, Port, VHost string
	Name              string
}

// Form is the form of a URL of RabbitMQ: SCHEME://HOST:PORT/VHOST?PARAMETER=NAME.
type Form struct {
	Scheme    string   // without TLS
	WithTLS   []string // with TLS; errors name the first
	Port      string   // the default without TLS
	PortTLS   string   // the default with TLS
	Parameter string   // what is named: exchange, stream
}

// maxName is the length of the longest name of RabbitMQ, in bytes.
const maxName = 255

// Parse parses a URL. The vhost is / by default. It refuses a user and a password, which other users of
// the machine could read. Its errors do not hold the URL.
func (f Form) Parse(raw string) (r RabbitMQ, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return r, fmt.Errorf("not a URL such as %s://HOST:%s/VHOST?%s=NAME", f.Scheme, f.Port, f.Parameter)
	}
	switch r.TLS = slices.Contains(f.WithTLS, u.Scheme); {
	case r.TLS:
		r.Port = f.PortTLS
	case u.Scheme == f.Scheme:
		r.Port = f.Port
	default:
		return r, fmt.Errorf("the scheme must be %s or %s", f.Scheme, f.WithTLS[0])
	}
	if u.User != nil {
		return r, errors.New("has a user or a password, which other users of the machine could read; remove them from the URL")
	}
	if r.Host = u.Hostname(); r.Host == "" {
		return r, errors.New("has no host")
	}
	if u.Port() != "" {
		r.Port = u.Port()
	}
	if r.VHost, err = url.PathUnescape(strings.TrimPrefix(u.EscapedPath(), "/")); err != nil {
		return r, fmt.Errorf("vhost: %w", err)
	}
	if r.VHost == "" {
		r.VHost = "/"
	}
	r.Name, err = f.nameOf(u.RawQuery)
	if n := max(len(r.Name), len(r.VHost)); err == nil && n > maxName {
		err = fmt.Errorf("a name may have at most %d bytes, has %d", maxName, n)
	}
	return r, err
}

// nameOf returns the name that the parameters of a URL hold.
func (f Form) nameOf(query string) (string, error) {
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("parameters: %w", err)
	}
	for name := range parameters {
		if name != f.Parameter {
			return "", fmt.Errorf("parameter %q: there is only %s", name, f.Parameter)
		}
	}
	name := parameters.Get(f.Parameter)
	if name == "" {
		return "", fmt.Errorf("names no %[1]s: add ?%[1]s=NAME", f.Parameter)
	}
	return name, nil
}

// Shown returns the parts of a URL that are no secret, whatever was typed.
func (f Form) Shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" {
		return "the URL of the broker"
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if name := u.Query().Get(f.Parameter); name != "" {
		shown.RawQuery = url.Values{f.Parameter: {name}}.Encode()
	}
	return shown.String()
}

// Server returns host and port.
func (r RabbitMQ) Server() string { return net.JoinHostPort(r.Host, r.Port) }
