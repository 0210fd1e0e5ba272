package feed

import (
	"net/url"
	"regexp"
)

// segmentPattern holds only characters that no browser, proxy or router
// rewrites in a path, and neither "." nor "..", which all of them resolve even
// where they are percent-encoded (the URL standard, section 4.4).
var segmentPattern = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._~-]*$`)

// EventPath is the path of an event below the server's root, with the query
// that names its source: an id is unique only together with it. An id that
// cannot be a segment of a path in every client stands in the query, behind
// the same folder, so that relative references from both forms are the same.
func EventPath(name, source, id string) string {
	path := SubscriptionPath(name) + "/events/"
	if segmentPattern.MatchString(id) {
		return path + id + "?source=" + url.QueryEscape(source)
	}
	return path + "?id=" + url.QueryEscape(id) + "&source=" + url.QueryEscape(source)
}
