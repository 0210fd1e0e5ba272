package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preferredWait is how long a client lets us think about a request, RFC 7240
// section 4.3; of several the first counts, section 2.
func preferredWait(header http.Header) (wait time.Duration, found bool) {
	for preference := range strings.SplitSeq(strings.Join(header.Values("Prefer"), ","), ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		return time.Duration(seconds) * time.Second, err == nil
	}
	return 0, false
}

// matches reports whether a condition names one of these tags, in the weak
// comparison of RFC 9110 section 13.1.2.
func matches(condition []string, tag string) bool {
	for _, candidate := range condition {
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == tag {
			return true
		}
	}
	return false
}

// ifNoneMatch returns the tags of the condition. None of ours holds a comma.
func ifNoneMatch(header http.Header) []string {
	var tags []string
	for tag := range strings.SplitSeq(strings.Join(header.Values("If-None-Match"), ","), ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

// changes waits until a feed changes, the time is over, the client is gone or
// the server ends, and reports whether the feed has changed.
func (s *server) changes(ctx context.Context, changed <-chan struct{}, until <-chan time.Time) bool {
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	select {
	case <-changed:
		return true
	case <-until:
	case <-ctx.Done():
	case <-s.closing:
	}
	return false
}
