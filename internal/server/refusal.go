package server

import (
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/db/explain"
	"github.com/eventfeed/eventfeed/internal/ingest"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/outbox"
)

// offender is the event of a request that cannot be appended.
type offender struct {
	Number int    `json:"number"` // its number in the request: 1, 2, 3 …
	ID     string `json:"id,omitempty"`
	Source string `json:"source,omitempty"`
}

// refusal turns the error of a request that appends into the error to answer with.
func refusal(w http.ResponseWriter, events []event.Event, err error) error {
	if refused, ok := errors.AsType[*statusError](err); ok {
		return refused
	}
	if request, ok := errors.AsType[*ingest.RequestError](err); ok {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return refuse(http.StatusRequestTimeout, "the body came too slowly; nothing of it was appended")
		}
		refused := &statusError{status: statusOfReason(request.Reason), detail: request.Error() + "; nothing of the request was appended"}
		if request.Number > 0 {
			refused.event = &offender{Number: request.Number, ID: request.ID}
		}
		if request.Reason == ingest.UnknownType {
			w.Header().Set("Accept-Post", ingest.Accepted)
			w.Header().Set("Accept-Encoding", "identity") // RFC 9110 section 12.5.3
		}
		return refused
	}
	if conflict, ok := errors.AsType[*outbox.ConflictError](err); ok {
		refused := &statusError{status: http.StatusConflict, detail: fmt.Sprintf(
			"event %q of source %q is in the feed already, with other content; an event cannot be changed, append another one with a new id; nothing of the request was appended", conflict.ID, conflict.Source)}
		times := 0
		for i := range events {
			if events[i].ID == conflict.ID && events[i].Source == conflict.Source {
				times++
				refused.event = &offender{Number: i + 1, ID: conflict.ID, Source: conflict.Source} // the last one with this id
			}
		}
		if times > 1 {
			refused.detail = fmt.Sprintf("event %q of source %q is in the request more than once, with different content; nothing of the request was appended", conflict.ID, conflict.Source)
		}
		return refused
	}
	if errors.Is(err, outbox.ErrNoFeed) {
		return store.ErrNoFeed
	}
	if what := explain.Of(err).What; what != "" {
		return &notAppendedError{what: what, err: err}
	}
	return &notAppendedError{what: "the log cannot be written at the moment", err: err}
}

// notAppendedError reports that the database has not appended events. what is the reason for the
// client, err the error for the log.
type notAppendedError struct {
	what string
	err  error
}

func (e *notAppendedError) Error() string { return e.err.Error() }
func (e *notAppendedError) Unwrap() error { return e.err }

func statusOfReason(reason ingest.Reason) int {
	switch reason {
	case ingest.UnknownType:
		return http.StatusUnsupportedMediaType
	case ingest.TooLarge:
		return http.StatusRequestEntityTooLarge
	case ingest.Refused:
		return http.StatusUnprocessableEntity
	default:
		return http.StatusBadRequest
	}
}
