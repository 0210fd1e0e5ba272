package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// entityTags parses a list of entity tags, RFC 9110 section 8.8.3, from all fields of that name. A tag
// may contain commas. Parsing stops at the first invalid tag. "*" counts only if it is alone.
func entityTags(header http.Header, field string) []string {
	rest := strings.Trim(strings.Join(header.Values(field), ","), " \t")
	if rest == "*" {
		return []string{rest}
	}
	var tags []string
	for {
		rest = strings.TrimLeft(rest, " \t,")
		weak := 0
		if strings.HasPrefix(rest, "W/") {
			weak = len("W/")
		}
		if !strings.HasPrefix(rest[weak:], `"`) {
			return tags
		}
		length := strings.IndexFunc(rest[weak+1:], func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f })
		if length < 0 || rest[weak+1+length] != '"' {
			return tags
		}
		end := weak + 1 + length + 1
		tags, rest = append(tags, rest[:end]), rest[end:]
	}
}

// checkTags returns an error if a request has a field of that name, and no entity tag in it.
func checkTags(header http.Header, field string) error {
	values := header.Values(field)
	if values == nil || len(entityTags(header, field)) > 0 {
		return nil
	}
	return refuse(http.StatusBadRequest, fmt.Sprintf("%s is %s, which has no entity tag; write the version in quotes, as in %s: \"3\", or send an ETag as it came, with its quotes", field, quote(strings.Join(values, ",")), field))
}

// matches reports whether a condition contains a tag, by the weak comparison of RFC 9110 section 13.1.2.
func matches(condition []string, tag string) bool {
	return slices.ContainsFunc(condition, func(candidate string) bool {
		return candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag
	})
}

// namesAnother reports whether a request's conditions name only representations with other tags than
// this one.
func namesAnother(header http.Header, tag string) bool {
	return slices.ContainsFunc([]string{"If-None-Match", "If-Match"}, func(field string) bool {
		tags := entityTags(header, field)
		return len(tags) > 0 && !matches(tags, tag)
	})
}

// noTag is a tag that no representation has.
const noTag = `"-"`

// clean rewrites the conditions of a request so that the standard library, which reads only the first
// field of each name, applies them according to RFC 9110 section 13.1.
//
// If-Modified-Since counts only if it equals this version's Last-Modified. A later date does not show
// which version the client has: it may have been replaced by one that was written earlier and became
// visible later.
func (e *representation) clean(header http.Header) {
	if header.Values("If-None-Match") != nil {
		tags := entityTags(header, "If-None-Match")
		if len(tags) == 0 {
			tags = []string{noTag}
		}
		header.Set("If-None-Match", strings.Join(tags, ", "))
	}
	since, err := http.ParseTime(header.Get("If-Modified-Since"))
	if len(header.Values("If-Modified-Since")) > 1 || err != nil || !since.Equal(e.lastModified().Truncate(time.Second)) {
		header.Del("If-Modified-Since")
	}
	header.Del("If-Match")            // hasChanged has checked
	header.Del("If-Unmodified-Since") // these two
}

// hasChanged reports whether a request requires an earlier state of the representation, by If-Match or,
// without that, by If-Unmodified-Since: RFC 9110 sections 13.1.1, with strong comparison, and 13.1.4.
func (e *representation) hasChanged(header http.Header) bool {
	if header.Values("If-Match") != nil {
		return !slices.ContainsFunc(entityTags(header, "If-Match"), func(tag string) bool { return tag == "*" || tag == e.tag })
	}
	modified := e.lastModified()
	since, err := http.ParseTime(header.Get("If-Unmodified-Since"))
	return err == nil && len(header.Values("If-Unmodified-Since")) == 1 &&
		!modified.IsZero() && modified.Truncate(time.Second).After(since)
}

// errChanged is the error of a request for an earlier state of a representation.
func errChanged() error {
	return refuse(http.StatusPreconditionFailed, "the document has changed since what If-Match or If-Unmodified-Since names; request it without them")
}
