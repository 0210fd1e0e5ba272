package seedkafka

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// logger gets what the client library says. All of it is for debugging: an error that matters is
// returned too.
type logger struct{ to *slog.Logger }

// Level is what the library says: nothing at all, unless somebody is debugging.
func (l logger) Level() kgo.LogLevel {
	if l.to.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelNone
}

// Log passes on a line.
func (l logger) Log(_ kgo.LogLevel, message string, attributes ...any) {
	l.to.With(attributes...).Debug("kafka client", "event", message)
}
