package forwarded

import (
	"net/url"
	"strings"
)

// element is one of a Forwarded field: its parameters, by name in lower case.
type element map[string]string

// parseForwarded reads the elements of one Forwarded field:
//
//	Forwarded   = 1#( [ pair ] *( ";" [ pair ] ) )
//	pair        = token "=" ( token / quoted-string )
//
// It is strict, as a quote that is not closed would let whoever sent it swallow
// what a proxy has added behind. Only a value that is an address or a host need
// not be quoted for its brackets and colons: some proxies forget that.
func parseForwarded(field string) (elements []element, ok bool) {
	if len(field) > maxField {
		return nil, false
	}
	rest, e := field, element{}
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest != "" && rest[0] != ',' && rest[0] != ';' {
			if rest, ok = e.pair(rest); !ok {
				return nil, false
			}
		}
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" || rest[0] == ',' {
			if len(e) > 0 {
				elements = append(elements, e)
			}
			e = element{}
		}
		if rest == "" {
			return elements, true
		}
		if rest[0] != ',' && rest[0] != ';' {
			return nil, false
		}
		rest = rest[1:]
	}
}

// pair takes a parameter from the beginning of the text. None may be there
// twice (RFC 7239 section 4).
func (e element) pair(text string) (rest string, ok bool) {
	name, value, found := strings.Cut(text, "=")
	name = strings.ToLower(name)
	if _, twice := e[name]; !found || twice || name == "" || !isAll(name, isToken) {
		return "", false
	}
	if strings.HasPrefix(value, `"`) {
		e[name], rest, ok = unquote(value[1:])
		return rest, ok
	}
	end := strings.IndexAny(value, ",; \t")
	if end < 0 {
		end = len(value)
	}
	e[name] = value[:end]
	return value[end:], end > 0 && isAll(value[:end], isLooseToken)
}

// unquote parses a quoted string (RFC 9110 section 5.6.4) after its first quote.
func unquote(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '"' {
			return b.String(), text[i+1:], true
		}
		if c == '\\' {
			if i++; i == len(text) {
				break
			}
			c = text[i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			break
		}
		b.WriteByte(c)
	}
	return "", "", false
}

func isToken(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isLooseToken(c byte) bool { return isToken(c) || c == '[' || c == ']' || c == ':' }

func isAll(text string, is func(byte) bool) bool {
	for i := range len(text) {
		if !is(text[i]) {
			return false
		}
	}
	return true
}

// unescapes reports whether the escapes of a path are whole and hide no
// separator and no step up.
func unescapes(path string) bool {
	plain, err := url.PathUnescape(path)
	return err == nil && strings.Count(plain, "/") == strings.Count(path, "/") &&
		!strings.Contains(plain, "..") && !strings.ContainsAny(plain, "\\\x00\r\n")
}
