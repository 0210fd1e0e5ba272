// Package forwarded finds out, behind proxies, where a request comes from and under which URL
// its sender knows this server.
package forwarded

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Rules say whom to believe. The zero Rules believe nobody: the server is known
// by the request's own Host, and the client is the peer.
type Rules struct {
	Base    *url.URL // the server's URL for everyone, from ParseBase; nil means that the request says it
	Trusted Trusted  // proxies whose word on a request counts
}

// Origin is what is known of a request.
type Origin struct {
	Base   string // URL without a slash at its end, as in https://example.org/eventfeed; paths of this server follow
	Client string // address of the client, for the log; "unix" behind a Unix socket
}

// Fields returns the request fields on which Origin.Base depends, in addition to Host. Fields that name
// the client are not among them: they only decide which of the other fields count.
func (rules Rules) Fields() []string {
	if rules.Base != nil || !rules.Trusted.unix && len(rules.Trusted.prefixes) == 0 {
		return nil
	}
	return []string{"Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix"}
}

// Of returns the origin of a request.
//
// Of a trusted peer's request the fields Forwarded (RFC 7239) or
// X-Forwarded-For, -Proto, -Host and -Port count, and X-Forwarded-Prefix. If
// both kinds are there and do not say the same, neither counts: one of them is
// what the client has sent, passed on by a proxy that only sets the other.
// What cannot be an address, a scheme, a host or a path counts as not said.
func (rules Rules) Of(r *http.Request) Origin {
	peer, known := peerOf(r)
	said := word{client: peer}
	prefix := ""
	if rules.Trusted.has(peer, known) {
		said = rules.heard(r.Header, peer)
		prefix = cleanPrefix(last(r.Header, "X-Forwarded-Prefix"))
	}
	o := Origin{Client: "unix"}
	if said.client.IsValid() {
		o.Client = said.client.String()
	}
	if rules.Base != nil {
		o.Base = strings.TrimSuffix(rules.Base.String(), "/")
		return o
	}
	if said.scheme == "" {
		said.scheme = "http"
		if r.TLS != nil {
			said.scheme = "https"
		}
	}
	if said.host == "" {
		said.host = ownHost(r)
	}
	o.Base = said.scheme + "://" + withPort(said.host, said.port, said.scheme) + prefix
	return o
}

// word is what proxies say of a request; what they do not say is empty.
type word struct {
	client             netip.Addr
	scheme, host, port string
}

func (w word) equals(other word) bool {
	return w.client == other.client && w.scheme == other.scheme &&
		withPort(w.host, w.port, w.scheme) == withPort(other.host, other.port, other.scheme)
}

func (rules Rules) heard(header http.Header, peer netip.Addr) word {
	standard, isStandard := rules.forwarded(header.Values("Forwarded"), peer)
	common, isCommon := rules.xForwarded(header, peer)
	switch {
	case isStandard && isCommon && !standard.equals(common):
		return word{client: peer}
	case isStandard:
		return standard
	default:
		return common
	}
}

// peerOf returns the address at the other end of the connection. It is not
// known behind a Unix socket.
func peerOf(r *http.Request) (netip.Addr, bool) {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	return plainAddress(address.Addr()), err == nil
}

// ownHost is what the client calls this server, or else the address that it
// has reached.
func ownHost(r *http.Request) string {
	if host := cleanHost(r.Host); host != "" {
		return host
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		if host := cleanHost(local.String()); host != "" {
			return host
		}
	}
	return "localhost"
}
