// Package observe counts HTTP requests and, where that is wanted, logs them.
package observe

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/felixge/httpsnoop"
	"github.com/gorilla/mux"
)

// Config says what to do with the requests.
type Config struct {
	Metrics *Metrics // nil means count nothing
	// AccessLog gets one record a request, at level INFO. Nil means none.
	AccessLog *slog.Logger
	// Remote is who asks, for the log. Nil means the connection's other end.
	Remote func(*http.Request) string
}

// record is what is known of a request while it is being answered.
type record struct {
	metrics *Metrics
	route   string
	paused  time.Duration // in which nothing was to be done for it
	done    func(status int)
}

type recordKey struct{}

// NameRoute is for [mux.Router.Use]: it notes the template of the route that
// matched. Paths would make a label without bounds.
func NameRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record, observed := r.Context().Value(recordKey{}).(*record)
		if route := mux.CurrentRoute(r); observed && route != nil {
			if template, err := route.GetPathTemplate(); err == nil {
				record.route = template
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Handler observes what next answers, of which a router may be a part, with
// [NameRoute].
func Handler(next http.Handler, config Config) http.Handler {
	if config.Metrics == nil {
		config.Metrics = NewMetrics(nil)
	}
	if config.Remote == nil {
		config.Remote = remoteHost
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		record := &record{metrics: config.Metrics, route: noRoute}
		var answer httpsnoop.Metrics
		returned := false
		defer func() { // also if the handler panics, which net/http logs
			answer.Code = status(r.Context(), &answer, returned)
			if record.done != nil {
				record.done(answer.Code)
			}
			config.Metrics.answered(record, r.Method, &answer)
			config.log(record, r, &answer)
		}()
		answer.CaptureMetrics(w, func(w http.ResponseWriter) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), recordKey{}, record)))
			returned = true
		})
	})
}

// Answered calls done with the status of the request whose context this is, once it is answered. It
// replaces what it was given before for the same request. Without a [Handler] it does nothing.
func Answered(ctx context.Context, done func(status int)) {
	if record, observed := ctx.Value(recordKey{}).(*record); observed {
		record.done = done
	}
}

// statusGone is for requests whose client did not wait for the answer: no
// status was ever sent. The number is nginx's.
const statusGone = 499

func status(ctx context.Context, answer *httpsnoop.Metrics, returned bool) int {
	switch {
	case answer.Code != 0:
		return answer.Code
	case answer.Written > 0:
		return http.StatusOK
	case ctx.Err() != nil:
		return statusGone
	case !returned:
		return http.StatusInternalServerError
	default:
		return http.StatusOK
	}
}

func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
