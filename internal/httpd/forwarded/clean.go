package forwarded

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Bounds of what is believed, in bytes.
const (
	maxHost   = 255
	maxPrefix = 255
	maxField  = 16 << 10 // of one Forwarded field; a proxy adds some dozens
)

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$`)
	prefixForm = regexp.MustCompile(`^(/[A-Za-z0-9._~!$()*+,;=:@%-]+)+$`)
)

// plainAddress makes the two ways to write an IPv4 address one.
func plainAddress(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// cleanAddress reads an address, with a port or without, or returns an invalid
// one for anything else, such as unknown or the obfuscated identifiers of
// RFC 7239 section 6.3.
func cleanAddress(text string) netip.Addr {
	if address, err := netip.ParseAddrPort(text); err == nil {
		return plainAddress(address.Addr())
	}
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		text = strings.TrimSuffix(inner, "]")
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return plainAddress(address)
}

func cleanScheme(text string) string {
	switch scheme := strings.ToLower(text); scheme {
	case "http", "https":
		return scheme
	default:
		return ""
	}
}

func cleanPort(text string) string {
	if port, err := strconv.ParseUint(text, 10, 16); err != nil || port == 0 || text[0] == '0' {
		return ""
	}
	return text
}

// cleanHost returns a host with its port, in lower case, or nothing for what is
// none.
func cleanHost(text string) string {
	if len(text) > maxHost {
		return ""
	}
	name, port := splitPort(strings.ToLower(text))
	if inner, ok := strings.CutPrefix(name, "["); ok {
		address, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(inner, "]") || !address.Is6() || address.Zone() != "" {
			return ""
		}
	} else if !nameForm.MatchString(name) {
		return ""
	}
	switch {
	case port == "":
		return name
	case cleanPort(port[1:]) == "":
		return ""
	default:
		return name + port
	}
}

// splitPort splits a host before the colon of its port.
func splitPort(host string) (name, port string) {
	colon := strings.LastIndexByte(host, ':')
	if colon < 0 || colon < strings.LastIndexByte(host, ']') {
		return host, ""
	}
	return host[:colon], host[colon:]
}

// withPort adds a port to a host that has none, and leaves out the scheme's own.
func withPort(host, port, scheme string) string {
	name, own := splitPort(host)
	if own == "" && port != "" {
		own = ":" + port
	}
	if scheme == "http" && own == ":80" || scheme == "https" && own == ":443" {
		own = ""
	}
	return name + own
}

// cleanPrefix returns a path to put before others, without a slash at its end,
// or nothing for what is none.
func cleanPrefix(text string) string {
	text = strings.TrimSuffix(text, "/")
	if len(text) > maxPrefix || !prefixForm.MatchString(text) || !unescapes(text) {
		return ""
	}
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "." || segment == ".." {
			return ""
		}
	}
	return text
}
