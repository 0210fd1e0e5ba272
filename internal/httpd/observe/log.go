package observe

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/felixge/httpsnoop"
)

// Bounds, in bytes, of what the log shows of what clients send.
const (
	maxPath  = 256
	maxAgent = 128
	maxID    = 64
)

// log writes the request's record. What may be a secret is left out: queries,
// and all headers but two.
func (c *Config) log(record *record, r *http.Request, answer *httpsnoop.Metrics) {
	if c.AccessLog == nil {
		return
	}
	attributes := []slog.Attr{
		slog.String("method", clip(r.Method, maxID)),
		slog.String("path", clip(r.URL.Path, maxPath)),
		slog.String("route", record.route),
		slog.Int("status", answer.Code),
		slog.Int64("bytes", answer.Written),
		slog.Duration("duration", answer.Duration),
		slog.String("remote", c.Remote(r)),
		slog.String("agent", clip(r.UserAgent(), maxAgent)),
	}
	if record.paused > 0 {
		attributes = append(attributes, slog.Duration("waited", record.paused))
	}
	if id := r.Header.Get("X-Request-Id"); id != "" { // of a proxy before us
		attributes = append(attributes, slog.String("request", clip(id, maxID)))
	}
	c.AccessLog.LogAttrs(r.Context(), slog.LevelInfo, "request", attributes...)
}

// clip cuts a text to a number of bytes, and what is no UTF-8 out of it.
func clip(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit]
	}
	return strings.ToValidUTF8(text, "")
}
