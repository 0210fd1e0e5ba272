package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// preferredWait returns the wait that a client prefers, RFC 7240 section 4.3; the first one counts,
// section 2.
func preferredWait(header http.Header) time.Duration {
	for _, preference := range elements(header, "Prefer") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		// A number that is too large counts as the largest one, RFC 9111 section 1.2.2.
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0
		}
		return time.Duration(seconds) * time.Second
	}
	return 0
}

// isClosing reports whether the server is about to stop.
func (s *server) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// changes waits until a feed changes, the time is over, the client disconnects or the server stops.
// It reports whether the feed has changed.
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
