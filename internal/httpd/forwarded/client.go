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
func (rules Rules) Client(r *http.Request) string { return ClientOf(rules.sender(r)) }

// Address returns the address of who sent a request, without a port, as [Rules.Client] finds it, of
// IPv6 all of it. It is "unix" for whoever comes by a Unix socket.
func (rules Rules) Address(r *http.Request) string {
	address := plainAddress(rules.sender(r))
	if !address.IsValid() {
		return "unix"
	}
	return address.String()
}

func (rules Rules) sender(r *http.Request) netip.Addr {
	peer, known := peerOf(r)
	if rules.Trusted.has(peer, known) {
		return rules.heard(r.Header, peer).client
	}
	return peer
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
