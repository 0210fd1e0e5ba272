package forwarded

import (
	"net/http"
	"net/netip"
)

// networkBits is how much of an IPv6 address names a client: who has one such
// address has the others of its network, too.
const networkBits = 64

// Client returns who sent a request, as limits for each client count it: the
// address that trusted proxies name, or else the peer's; of IPv6 the network, as
// in 2001:db8::/64. It is "unix" for whoever comes by a Unix socket.
func (rules Rules) Client(r *http.Request) string {
	peer, known := peerOf(r)
	if rules.Trusted.has(peer, known) {
		peer = rules.heard(r.Header, peer).client
	}
	return ClientOf(peer)
}

// ClientOf returns what an address is counted as, see [Rules.Client].
func ClientOf(address netip.Addr) string {
	switch address = plainAddress(address); {
	case !address.IsValid():
		return "unix"
	case address.Is6():
		if network, err := address.Prefix(networkBits); err == nil {
			return network.String()
		}
	}
	return address.String()
}
