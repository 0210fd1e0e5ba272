package fetch

import (
	"net/http"
	"strings"
)

// isDelta reports whether an answer of status 226 was made with the instance manipulation "feed"
// and no other (RFC 3229 section 10.5.2), as requested.
func isDelta(header http.Header) bool {
	manipulations := strings.Split(strings.Join(header.Values("IM"), ","), ",")
	return len(manipulations) == 1 && strings.EqualFold(strings.TrimSpace(manipulations[0]), "feed")
}

// applied reports whether a server states that it has applied a preference, RFC 7240 section 3.
func applied(header http.Header, preference string) bool {
	for one := range strings.SplitSeq(strings.Join(header.Values("Preference-Applied"), ","), ",") {
		name, _, _ := strings.Cut(one, "=")
		name, _, _ = strings.Cut(name, ";")
		if strings.EqualFold(strings.TrimSpace(name), preference) {
			return true
		}
	}
	return false
}
