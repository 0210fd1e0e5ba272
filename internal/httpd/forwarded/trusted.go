package forwarded

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Trusted is a set of proxies.
type Trusted struct {
	prefixes []netip.Prefix
	unix     bool // whoever comes by a Unix socket
}

// ParseTrusted reads addresses and CIDR prefixes with commas between, such as
// "10.0.0.0/8, ::1". The word unix stands for whoever comes by a Unix socket.
// An empty list is nobody.
func ParseTrusted(list string) (Trusted, error) {
	var t Trusted
	if strings.TrimSpace(list) == "" {
		return t, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		item = strings.TrimSpace(item)
		if item == "unix" {
			t.unix = true
			continue
		}
		prefix, err := parsePrefix(item)
		if err != nil {
			return Trusted{}, fmt.Errorf("%.80q: must be an address or a CIDR prefix, such as 10.0.0.0/8, or several with commas between", item)
		}
		t.prefixes = append(t.prefixes, prefix)
	}
	return t, nil
}

func parsePrefix(item string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(item); err == nil {
		address = plainAddress(address)
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	return netip.ParsePrefix(item)
}

// Has reports whether an address is one of them.
func (t Trusted) Has(peer netip.Addr) bool { return t.has(plainAddress(peer), peer.IsValid()) }

// has reports whether a peer is one of them. One without an address comes by a
// Unix socket.
func (t Trusted) has(peer netip.Addr, known bool) bool {
	if !known {
		return t.unix
	}
	for _, prefix := range t.prefixes {
		if prefix.Contains(peer) {
			return true
		}
	}
	return false
}

// ParseBase reads the URL under which a server is known, with a path prefix
// where it has one.
func ParseBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("must be an http or https URL, without a user, a query and a fragment")
	}
	return u, nil
}
