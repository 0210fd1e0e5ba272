package server

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// weighted is one element of a list such as Accept, with its weight.
type weighted struct {
	value string // in lower case, without parameters
	q     float64
}

// weights parses a header field that is a list of values with weights, RFC 9110 section 12.4.2. It
// skips invalid elements.
func weights(header http.Header, field string) []weighted {
	var list []weighted
	for _, element := range elements(header, field) {
		parts := split(element, ';')
		value := strings.ToLower(strings.TrimSpace(parts[0]))
		if value == "" {
			continue
		}
		list = append(list, weighted{value, weight(parts[1:])})
	}
	return list
}

// elements returns the elements of a list, from all fields of that name, RFC 9110 section 5.3.
func elements(header http.Header, field string) []string {
	return split(strings.Join(header.Values(field), ","), ',')
}

// split splits text at each separator that is not in a quoted string, RFC 9110 section 5.6.4.
func split(text string, separator byte) []string {
	var parts []string
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case quoted && text[i] == '\\':
			i++ // skips the escaped character
		case !quoted && text[i] == separator:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	return append(parts, text[start:])
}

func weight(parameters []string) float64 {
	for _, parameter := range parameters {
		name, value, _ := strings.Cut(parameter, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}

// typeWeight returns a client's weight of a media type: that of the most specific range that matches,
// RFC 9110 section 12.5.1. Without Accept all types have weight 1.
func typeWeight(accept []weighted, mediaType string) float64 {
	if len(accept) == 0 {
		return 1
	}
	essence, _, _ := mime.ParseMediaType(mediaType)
	major, _, _ := strings.Cut(essence, "/")
	best, q := 0, 0.0
	for _, a := range accept {
		specific := 0
		switch a.value {
		case essence:
			specific = 3
		case major + "/*":
			specific = 2
		case "*/*":
			specific = 1
		}
		if specific > best {
			best, q = specific, a.q
		}
	}
	return q
}

// The content codings of answers, the preferred one first. Identity means no coding.
const (
	zstdCoding     = "zstd"
	gzipCoding     = "gzip"
	identityCoding = ""
)

// alsoCalled has the names of codings that old clients use, RFC 9110 section 8.4.1.3.
var alsoCalled = map[string]string{gzipCoding: "x-gzip", zstdCoding: zstdCoding, "identity": "identity"}

// chooseCoding returns the coding that a client prefers, RFC 9110 section 12.5.3, and false if it
// accepts none of them.
func chooseCoding(header http.Header) (string, bool) {
	accept := weights(header, "Accept-Encoding")
	best, bestWeight := identityCoding, 0.0
	for _, coding := range []string{zstdCoding, gzipCoding, "identity"} {
		if q := codingWeight(accept, coding); q > bestWeight {
			best, bestWeight = coding, q
		}
	}
	if best == "identity" {
		best = identityCoding
	}
	return best, bestWeight > 0
}

func codingWeight(accept []weighted, coding string) float64 {
	rest := -1.0
	for _, a := range accept {
		switch a.value {
		case coding, alsoCalled[coding]:
			return a.q
		case "*":
			rest = a.q
		}
	}
	switch {
	case rest == 0:
		return 0
	case coding == "identity":
		// Acceptable unless it is excluded; named codings are preferred.
		return 0.0001
	default:
		return max(0, rest)
	}
}
