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

// metadataNames are where clouds tell their machines what they are, and how they show
// it: names that resolve there for machines inside.
var metadataNames = []string{
	"metadata", "metadata.google.internal", "metadata.goog", "metadata.azure.internal",
	"instance-data", "instance-data.ec2.internal", "metadata.tencentyun.com", "rancher-metadata",
}

// metadataAddresses are those that are not link-local.
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
	netip.MustParsePrefix("::169.254.0.0/112"),        // and in an address that IPv4 is compatible with
	netip.MustParsePrefix("::ffff:0:169.254.0.0/112"), // and in one that IPv4 is translated to
}

// resolveFor bounds how long a name is resolved to see where it leads.
const resolveFor = 2 * time.Second

// IsLinkLocal reports whether a URL leads to this machine's own link, where nothing but
// what is told to it in confidence answers, such as the metadata service of a cloud: a
// link-local address, one of those services, or a name that is known for them or that
// resolves there now. No feed is there, and who redirects there means no good. What
// cannot be told, a number that may be an address in another notation, is taken for one.
func IsLinkLocal(ctx context.Context, u *url.URL) bool {
	host, err := idna.Lookup.ToASCII(u.Hostname()) // as net/http does, which makes 1 of １ and . of 。
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
	return err == nil && slices.ContainsFunc(addresses, isLinkLocal) // without one, a request will not get there either
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

// mayBeNumber reports whether a host is one that some resolvers read as an IPv4 address
// in another notation: 2852039166, 0xa9fea9fe, 169.16689662, 0251.0376.0251.0376.
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
