package server

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/store"
)

// problem is the body of an error answer, RFC 9457. The detail says everything, so the type is
// about:blank, section 4.2.1.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance,omitempty"`

	Event   *offender `json:"event,omitempty"`   // the event that cannot be appended
	Version *int64    `json:"version,omitempty"` // that an entity has
	ETag    string    `json:"etag,omitempty"`    // of its Atom document, if it is known
}

// statusError is an error with its own status.
type statusError struct {
	status int
	detail string
	event  *offender
}

func (e *statusError) Error() string { return e.detail }

func refuse(status int, detail string) error { return &statusError{status: status, detail: detail} }

// statusOf returns the status of the answer to an error, and the detail for the client.
func statusOf(err error) (status int, detail string) {
	refused, isRefused := errors.AsType[*statusError](err)
	caller, isChallenge := errors.AsType[*challenge](err)
	notAppended, isNotAppended := errors.AsType[*notAppendedError](err)
	failed, isFailed := errors.AsType[*conditionError](err)
	switch {
	case isFailed:
		return http.StatusPreconditionFailed, failed.Error()
	case isChallenge:
		return caller.status, err.Error()
	case isRefused:
		return refused.status, refused.detail
	case errors.Is(err, store.ErrNoFeed), errors.Is(err, store.ErrNoPage):
		return http.StatusNotFound, err.Error()
	case errors.Is(err, store.ErrPageGone):
		return http.StatusGone, err.Error()
	case errors.Is(err, store.ErrReadOnly):
		return http.StatusServiceUnavailable, "the database accepts no writes at the moment; send the same request again later"
	case errors.Is(err, store.ErrMoved):
		return http.StatusServiceUnavailable, "the database has failed over or was restored, and the feed is about to begin a new epoch; retry in a moment"
	case errors.Is(err, feedstate.ErrCutOff):
		return http.StatusServiceUnavailable, "this server cannot reach its database, and does not have the answer in memory; retry later"
	case isNotAppended:
		return http.StatusServiceUnavailable, notAppended.what + "; send the same request again later: events that were appended are skipped"
	default:
		return http.StatusServiceUnavailable, "the log cannot be read at the moment; retry later"
	}
}

// fail answers with an error. No cache may store it, because the resource may exist a moment later.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := statusOf(err)
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "5")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
		if _, refused := errors.AsType[*statusError](err); !refused {
			s.logFailure(r, err)
		}
	}
	header := w.Header()
	for _, field := range []string{"ETag", "Last-Modified", "Content-Encoding", "Content-Length", "Link", "Age", "Cache-Status"} {
		header.Del(field)
	}
	mediaType, body := problemBody(r, status, detail, err)
	if caller, ok := errors.AsType[*challenge](err); ok {
		access.Challenge(header, caller.error)
	}
	if replaced, ok := errors.AsType[*replacedPageError](err); ok {
		replaced.link(header)
	}
	setType(header, mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has disconnected needs no answer
}

// failureInterval is the minimum time between two logged failures, because in an outage every
// request fails.
const failureInterval = 10 * time.Second

func (s *server) logFailure(r *http.Request, err error) {
	level, now := slog.LevelDebug, time.Now().UnixNano()
	if last := s.failed.Load(); now-last > int64(failureInterval) && s.failed.CompareAndSwap(last, now) {
		level = slog.LevelError
	}
	s.Logger.Log(r.Context(), level, "cannot answer a request", "path", r.URL.Path, "error", err)
}

// problemBody renders an error, for programs or for people.
func problemBody(r *http.Request, status int, detail string, err error) (mediaType string, body []byte) {
	accept := weights(r.Header, "Accept")
	if len(accept) > 0 && typeWeight(accept, html.ContentType) > typeWeight(accept, problemType) {
		page, err := html.Error(html.Failure{Root: html.Root(r.URL.EscapedPath()), Status: status, Title: http.StatusText(status), Detail: detail})
		if err == nil {
			return html.ContentType, page
		}
	}
	p := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Instance: instanceOf(r)}
	if refused, ok := errors.AsType[*statusError](err); ok {
		p.Event = refused.event
	}
	if failed, ok := errors.AsType[*conditionError](err); ok {
		p.Version, p.ETag = &failed.version, failed.tag
	}
	body, err = json.Marshal(p)
	if err != nil {
		panic(err) // strings and a number always have a JSON form
	}
	return problemType, append(body, '\n')
}

// instanceOf returns the path of a request as a reference. A path that begins with two slashes
// would name another host, RFC 3986 section 4.2, so it gets a prefix.
func instanceOf(r *http.Request) string {
	path := r.URL.EscapedPath()
	if strings.HasPrefix(path, "//") {
		return "/." + path
	}
	return path
}

const problemType = "application/problem+json"
