package server

import (
	"net/http"
	"strings"

	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/readers"
)

// visit notes a request of a feed's reader. Pages that people open in a browser are not noted, see
// isBrowser.
func (s *server) visit(r *http.Request, feed string) readers.Visit {
	if s.Readers == nil {
		return readers.Visit{}
	}
	id := readers.Identity{Feed: feed}
	id.Kind, id.Name = s.readerOf(r)
	visit := s.Readers.Visit(id, r.UserAgent())
	visit.From(s.Origin.Address(r))
	observe.Answered(r.Context(), visit.Answered)
	return visit
}

// readerOf returns the name of who sent a request: that of its token, or of its certificate, or else
// its address.
func (s *server) readerOf(r *http.Request) (readers.Kind, string) {
	if name := grant(r).Name; name != "" {
		return readers.Token, name
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		if name := r.TLS.VerifiedChains[0][0].Subject.CommonName; name != "" {
			return readers.Certificate, name
		}
	}
	return readers.Address, s.Origin.Address(r)
}

// isBrowser reports whether a stream is for a page that a person has open. Such a page follows a
// feed, but is no consumer that could lag.
func isBrowser(r *http.Request) bool { return strings.HasPrefix(r.UserAgent(), "Mozilla/") }

// noteAnswer notes what the reader has after an answer with a version, or after a 304.
func (a *ask) noteAnswer(r *http.Request, v *version) {
	if matches(a.have, v.tag(a.representationKey)) {
		a.visit.At(v.feed.Epoch(), v.document.Last)
		return
	}
	_, named, isKnown := v.base(a.have)
	switch {
	case v.isOtherHistory(a.have):
		a.visit.OfOtherHistory()
	case r.Method != http.MethodGet:
	case isKnown:
		a.visit.Continue(v.feed.Epoch(), named, v.document.Last)
	default:
		a.visit.Answer(v.feed.Epoch(), v.earlier(a.have), v.document.Last)
	}
}
