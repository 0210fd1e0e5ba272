package forwarded

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// forwarded reads Forwarded fields (RFC 7239 section 4). Each proxy has added
// an element at the end: who came to it, by which scheme and host. So the walk
// goes from the last one back, as long as the one who came is a trusted proxy
// itself: what stands before that is anyone's. Of scheme and host the outermost
// word counts.
func (rules Rules) forwarded(fields []string, peer netip.Addr) (word, bool) {
	said := word{client: peer}
	for _, field := range slices.Backward(fields) {
		elements, ok := parseForwarded(field)
		if !ok {
			return said, true // and nobody knows what the ones before it mean
		}
		for _, e := range slices.Backward(elements) {
			if scheme := cleanScheme(e["proto"]); scheme != "" {
				said.scheme = scheme
			}
			if host := cleanHost(e["host"]); host != "" {
				said.host = host
			}
			client := cleanAddress(e["for"])
			if client.IsValid() {
				said.client = client
			}
			if !client.IsValid() || !rules.Trusted.has(client, true) {
				return said, true
			}
		}
	}
	return said, len(fields) > 0
}

// xForwarded reads the fields that were there before RFC 7239. The list of
// addresses is walked as above; of the rest the last value counts, which is the
// nearest proxy's.
func (rules Rules) xForwarded(header http.Header, peer netip.Addr) (word, bool) {
	said := word{
		client: peer,
		scheme: cleanScheme(last(header, "X-Forwarded-Proto")),
		host:   cleanHost(last(header, "X-Forwarded-Host")),
		port:   cleanPort(last(header, "X-Forwarded-Port")),
	}
	addresses := header.Values("X-Forwarded-For")
	found := len(addresses) > 0
	for _, name := range []string{"X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port"} {
		found = found || len(header.Values(name)) > 0
	}
	for rest, more := strings.Join(addresses, ","), found; more; {
		var item string
		rest, item, more = cutLast(rest)
		client := cleanAddress(item)
		if !client.IsValid() {
			break
		}
		said.client = client
		if !rules.Trusted.has(client, true) {
			break
		}
	}
	return said, found
}

// last returns the last value of a field that is a list.
func last(header http.Header, name string) string {
	values := header.Values(name)
	if len(values) == 0 {
		return ""
	}
	_, item, _ := cutLast(values[len(values)-1])
	return item
}

// cutLast cuts the last item off a list.
func cutLast(list string) (rest, item string, more bool) {
	comma := strings.LastIndexByte(list, ',')
	return list[:max(comma, 0)], strings.Trim(list[comma+1:], " \t"), comma >= 0
}
