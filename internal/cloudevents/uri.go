package cloudevents

import (
	"errors"
	"net/netip"
	"strings"
)

// errNotURIReference and errNotURI say what an attribute must be that is neither.
var (
	errNotURIReference = errors.New("must be a URI reference (RFC 3986), such as /orders or https://shop.example/orders; percent-encode other characters")
	errNotURI          = errors.New("must be a URI with its scheme (RFC 3986), such as https://shop.example/order.json; percent-encode other characters")
)

// IsURIReference reports whether a text is a URI reference of RFC 3986, section 4.1:
// a URI, or what is relative to one. It has only ASCII characters.
func IsURIReference(text string) bool {
	scheme, rest := cutScheme(text)
	return isAfterScheme(rest, scheme != "")
}

// IsURI reports whether a text is a URI of RFC 3986, section 3, with its scheme.
func IsURI(text string) bool {
	scheme, rest := cutScheme(text)
	return scheme != "" && isAfterScheme(rest, true)
}

// cutScheme cuts off the scheme, if there is one.
func cutScheme(text string) (scheme, rest string) {
	scheme, rest, found := strings.Cut(text, ":")
	if !found || scheme == "" || !isLetter(scheme[0]) {
		return "", text
	}
	for i := range len(scheme) {
		if c := scheme[i]; !isLetter(c) && !isDigit(c) && c != '+' && c != '-' && c != '.' {
			return "", text
		}
	}
	return scheme, rest
}

// isAfterScheme reports whether a text is an authority, a path, a query and a fragment,
// as far as they are there.
func isAfterScheme(text string, hasScheme bool) bool {
	text, fragment, _ := strings.Cut(text, "#")
	path, query, _ := strings.Cut(text, "?")
	if !hasOnly(fragment, "/?:@") || !hasOnly(query, "/?:@") {
		return false
	}
	if rest, found := strings.CutPrefix(path, "//"); found {
		authority, path := rest, ""
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			authority, path = rest[:slash], rest[slash:]
		}
		return isAuthority(authority) && hasOnly(path, "/:@")
	}
	first, _, _ := strings.Cut(path, "/")
	return hasOnly(path, "/:@") && (hasScheme || !strings.Contains(first, ":"))
}

// isAuthority reports whether a text is what RFC 3986, section 3.2 has between the
// slashes and the path.
func isAuthority(text string) bool {
	user, host, found := strings.Cut(text, "@")
	if !found {
		user, host = "", text
	}
	if !hasOnly(user, ":") {
		return false
	}
	end := strings.LastIndexByte(host, ']') + 1
	port := ""
	if colon := strings.IndexByte(host[end:], ':'); colon >= 0 {
		host, port = host[:end+colon], host[end+colon+1:]
	}
	for i := range len(port) {
		if !isDigit(port[i]) {
			return false
		}
	}
	if literal, isLiteral := strings.CutPrefix(host, "["); isLiteral {
		literal, closed := strings.CutSuffix(literal, "]")
		return closed && isAddress(literal)
	}
	return hasOnly(host, "")
}

// isAddress reports whether a text is an IPv6 address. That of a later version, which
// RFC 3986 leaves room for, does not exist.
func isAddress(text string) bool {
	address, err := netip.ParseAddr(text)
	return err == nil && address.Is6() && address.Zone() == ""
}

// hasOnly reports whether a text has only characters that RFC 3986 has in all parts of
// a URI, those of more, and characters that are percent-encoded.
func hasOnly(text, more string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inAllParts[c], strings.IndexByte(more, c) >= 0:
		case c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

// inAllParts are the characters that all parts of a URI may have: the unreserved ones
// and the sub-delimiters.
var inAllParts = func() (in [256]bool) {
	for c := range len(in) {
		in[c] = isLetter(byte(c)) || isDigit(byte(c)) || strings.IndexByte("-._~!$&'()*+,;=", byte(c)) >= 0
	}
	return in
}()

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
