package server

import (
	"net/http"
	"strconv"
)

// wantsDelta reports whether a client accepts the instance manipulation "feed", that is, only the
// entries that it lacks: RFC 3229 section 5.3 and "Using RFC 3229 with Feeds".
func wantsDelta(header http.Header) bool {
	for _, manipulation := range weights(header, "A-IM") {
		if manipulation.value == "feed" {
			return manipulation.q > 0
		}
	}
	return false
}

// serveDelta answers with the entries after a position, RFC 3229 section 10.4.1. The ETag is that of the
// whole document, which the client has after the answer.
func (s *server) serveDelta(w http.ResponseWriter, r *http.Request, v *version, key representationKey, base string, since int64) error {
	key.since, key.isDelta = since, true
	e, err := v.representation(key)
	if err != nil {
		return err
	}
	content, release, err := s.hold(r, e.content)
	if err != nil {
		return err
	}
	defer release()
	header := w.Header()
	e.describe(header)
	header.Set("Content-Length", strconv.Itoa(len(e.content)))
	header.Set("IM", "feed")
	header.Set("Delta-Base", base)
	// A cache that does not support deltas must not send it to other clients.
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusIMUsed)
	send(w, content)
	return nil
}
