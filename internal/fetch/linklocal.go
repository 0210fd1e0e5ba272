package fetch

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/idna"
)

// metadataNames are the host names of metadata services, which give credentials to a cloud's machines.
var metadataNames = []string{
	"metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal",
	"instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com", "rancher-metadata",
}

// metadataAddresses are the addresses of metadata services that are not link-local.
var metadataAddresses = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),       // AWS
	netip.MustParsePrefix("100.100.100.200/32"),  // Alibaba Cloud
	netip.MustParsePrefix("192.0.0.192/32"),      // Oracle Cloud
	netip.MustParsePrefix("168.63.129.16/32"),    // Azure
	netip.MustParsePrefix("fd20:ce::254/128"),    // Google Cloud
	netip.MustParsePrefix("fd00:42::42/128"),     // Scaleway
	netip.MustParsePrefix("64:ff9b::a9fe:0/112"), // 169.254.0.0/16 behind NAT64
	netip.MustParsePrefix("64:ff9b:1::a9fe:0/112"),
	netip.MustParsePrefix("2002:a9fe::/32"),           // and in 6to4
	netip.MustParsePrefix("::169.254.0.0/112"),        // and in IPv4-compatible addresses
	netip.MustParsePrefix("::ffff:0:169.254.0.0/112"), // and in IPv4-translated addresses
}

// resolveFor is the timeout of resolving a host name.
const resolveFor = 2 * time.Second

// IsLinkLocal reports whether a URL leads to a link-local address or to the metadata service of a
// cloud, by address, by a known name, or by a name that resolves there now. Such services give
// secrets to this machine. No feed is there, and a redirect there is an attack. In case of doubt
// IsLinkLocal returns true: for a number that may be an address in another notation.
func IsLinkLocal(ctx context.Context, u *url.URL) bool {
	host, err := idna.Lookup.ToASCII(u.Hostname()) // like net/http, which maps １ to 1 and 。 to .
	if err != nil && !isASCII(u.Hostname()) {
		return true
	}
	if err != nil {
		host = u.Hostname()
	}
	host = strings.ToLower(strings.TrimRight(host, "."))
	if address, err := netip.ParseAddr(host); err == nil {
		return isLinkLocal(address)
	}
	for _, name := range metadataNames {
		if host == name || strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	if mayBeNumber(host) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, resolveFor)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	return err == nil && slices.ContainsFunc(addresses, isLinkLocal) // a name that does not resolve leads nowhere
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

func isLinkLocal(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if address.IsLinkLocalUnicast() || address.IsLinkLocalMulticast() {
		return true
	}
	for _, prefix := range metadataAddresses {
		if prefix.Contains(address) {
			return true
		}
	}
	return false
}

// mayBeNumber reports whether some resolvers read a host as an IPv4 address in another notation:
// 2852039166, 0xa9fea9fe, 169.16689662, 0251.0376.0251.0376.
func mayBeNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	if rest, isHex := strings.CutPrefix(last, "0x"); isHex {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
