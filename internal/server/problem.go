package server

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/eventfeed/eventfeed/internal/store"
)

// problem is the body of an answer that is none, RFC 9457. All that there is
// to tell stands in the detail, so its type is about:blank, section 4.2.1.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance,omitempty"`
}

// statusError is an error that has a status of its own.
type statusError struct {
	status int
	detail string
}

func (e *statusError) Error() string { return e.detail }

func refuse(status int, detail string) error { return &statusError{status, detail} }

// statusOf returns the status that an error is answered with, and what the
// client is told.
func statusOf(err error) (status int, detail string) {
	refused, isRefused := errors.AsType[*statusError](err)
	switch {
	case isRefused:
		return refused.status, refused.detail
	case errors.Is(err, store.ErrNoFeed), errors.Is(err, store.ErrNoPage):
		return http.StatusNotFound, err.Error()
	case errors.Is(err, store.ErrPageGone):
		return http.StatusGone, err.Error()
	default:
		return http.StatusServiceUnavailable, "the log cannot be read at the moment, try again later"
	}
}

// fail answers with an error. No cache keeps it: what is not there may be
// there the next moment.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := statusOf(err)
	if status == http.StatusServiceUnavailable {
		s.Logger.Error("cannot answer", "path", r.URL.Path, "error", err)
		w.Header().Set("Retry-After", "1")
	}
	header := w.Header()
	for _, field := range []string{"ETag", "Last-Modified", "Content-Encoding", "Content-Length", "Link"} {
		header.Del(field)
	}
	body, err := json.Marshal(problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Instance: r.URL.EscapedPath(),
	})
	if err != nil {
		panic(err) // strings and a number always have a JSON form
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // who has gone needs no answer
}
