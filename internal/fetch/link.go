package fetch

import (
	"mime"
	"net/http"
	"slices"
	"strings"
)

// LinkTo returns the reference of the first link with a relation and a media type in the Link fields
// of an answer, RFC 8288; empty if there is none. Parsing stops at the first invalid link.
func LinkTo(header http.Header, relation, mediaType string) string {
	for _, field := range header.Values("Link") {
		for rest := field; rest != ""; {
			var reference, parameters string
			var ok bool
			if reference, parameters, rest, ok = nextLink(rest); !ok {
				break
			}
			// The rules for parameters of a media type allow what RFC 8288 allows.
			_, of, err := mime.ParseMediaType("text/plain" + parameters)
			if err == nil && slices.Contains(strings.Fields(strings.ToLower(of["rel"])), relation) && strings.EqualFold(of["type"], mediaType) {
				return reference
			}
		}
	}
	return ""
}

// nextLink cuts the first link off a list of links: <reference>; parameters, …
func nextLink(list string) (reference, parameters, rest string, ok bool) {
	list, found := strings.CutPrefix(strings.TrimLeft(list, " \t,"), "<")
	reference, list, closed := strings.Cut(list, ">")
	if !found || !closed {
		return "", "", "", false
	}
	quoted, end := false, 0
	for ; end < len(list) && (quoted || list[end] != ','); end++ {
		switch {
		case list[end] == '"':
			quoted = !quoted
		case list[end] == '\\' && quoted:
			end++
		}
	}
	end = min(end, len(list))
	return reference, list[:end], list[end:], true
}
