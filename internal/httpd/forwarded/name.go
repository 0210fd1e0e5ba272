package forwarded

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// WrongNameError says that a request is for another name than the server's.
type WrongNameError struct {
	Host string // that the request names
}

func (e *WrongNameError) Error() string {
	return fmt.Sprintf("this server listens on a loopback address, without tokens, and does not answer as %.80q: ask for localhost or an address; "+
		"for another name start it with --base-url and the URL that has this name; see --trusted-proxies, too", e.Host)
}

// CheckName is for servers that only this machine is meant to reach, without any
// other guard. A web page can make its own name mean 127.0.0.1 (DNS rebinding), and
// then a browser on this machine lets it read what is there. So CheckName returns a
// [WrongNameError], unless the request names localhost, an address or the host of
// Base, or comes from a trusted proxy. Who only reads may also use a name without a
// dot: that is how nginx by default names what it passes requests to, and no page of
// the Internet has such a name.
func (rules Rules) CheckName(r *http.Request) error {
	if peer, known := peerOf(r); rules.Trusted.has(peer, known) {
		return nil
	}
	name, _ := splitPort(r.Host)
	switch {
	case r.Host == "": // HTTP/1.0, which no browser speaks
	case strings.EqualFold(name, "localhost"):
	case net.ParseIP(strings.Trim(name, "[]")) != nil:
	case isRead(r) && isLabel(name):
	case rules.Base != nil && strings.EqualFold(name, withoutPort(rules.Base.Host)):
	default:
		return &WrongNameError{r.Host}
	}
	return nil
}

func isRead(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// isLabel reports whether a name is one label, without a dot.
func isLabel(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func withoutPort(host string) string {
	name, _ := splitPort(host)
	return name
}
