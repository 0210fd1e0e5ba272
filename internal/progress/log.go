package progress

import (
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/seed"
)

// DefaultLogInterval is the default interval of a Log.
const DefaultLogInterval = 5 * time.Second

// Log logs the progress of a run until it follows. It is for output that is not a terminal.
type Log struct {
	logger   *slog.Logger
	interval time.Duration
	last     time.Time
	pace     pace
}

// NewLog returns a Log that logs at most once in an interval; 0 means DefaultLogInterval.
func NewLog(logger *slog.Logger, interval time.Duration) *Log {
	if interval == 0 {
		interval = DefaultLogInterval
	}
	return &Log{logger: logger, interval: interval, last: time.Now()}
}

// Update sets the progress, and logs it if the interval is over.
func (l *Log) Update(p seed.Progress) {
	now, s := time.Now(), sumOf(p)
	rate := l.pace.add(s.done, now)
	if p.Following || len(p.Feeds) == 0 || now.Sub(l.last) < l.interval {
		return
	}
	l.last = now
	what := []any{"feed", s.feeds, "position", s.done}
	if len(p.Feeds) != 1 {
		what = []any{"feeds", s.feeds, "events", s.done}
	}
	what = append(what, "of", s.total, "events/s", int64(rate), "bytes", p.Bytes, "pages", p.Pages)
	if d := left(s.total-s.done, rate); d > 0 {
		what = append(what, "left", (d + time.Second - 1).Truncate(time.Second))
	}
	l.logger.Info("seeding", what...)
}
