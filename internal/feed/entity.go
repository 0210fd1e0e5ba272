package feed

import "net/url"

// EntityPath returns the path of an entity below the server's root: of the events of one subject of
// a feed. A subject that cannot be a segment of a path in every client is in the query. Each subject
// has exactly one path.
func EntityPath(name, subject string) string {
	path := SubscriptionPath(name) + "/entities/"
	if segmentPattern.MatchString(subject) {
		return path + subject
	}
	return path + "?subject=" + url.QueryEscape(subject)
}
