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

// weights reads a header field that is a list of values with weights, RFC 9110
// section 12.4.2. What cannot be read is passed over.
func weights(header http.Header, field string) []weighted {
	var list []weighted
	for element := range strings.SplitSeq(strings.Join(header.Values(field), ","), ",") {
		value, parameters, _ := strings.Cut(element, ";")
		value = strings.ToLower(strings.TrimSpace(value))
		if value == "" {
			continue
		}
		list = append(list, weighted{value, weight(parameters)})
	}
	return list
}

func weight(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
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

// typeWeight is how much a client wants a media type: what the most specific
// range that matches says, RFC 9110 section 12.5.1. Without Accept it wants
// all alike.
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

// The content codings of our answers, the one we like best first. The
// identity is no coding at all.
const (
	zstdCoding     = "zstd"
	gzipCoding     = "gzip"
	identityCoding = ""
)

// chooseCoding returns the coding that a client wants most, RFC 9110 section
// 12.5.3, and false if it takes none of ours.
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
		case coding:
			return a.q
		case "*":
			rest = a.q
		}
	}
	switch {
	case rest == 0:
		return 0
	case coding == "identity":
		// Acceptable unless it is ruled out, and what is named is wanted more.
		return 0.0001
	default:
		return max(0, rest)
	}
}
