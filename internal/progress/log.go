package progress

import (
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/seed"
)

// DefaultLogInterval is how often the log says how far a run is.
const DefaultLogInterval = 5 * time.Second

// Log says in a log how far a run is, until it follows: where there is no
// terminal to show a bar.
type Log struct {
	logger   *slog.Logger
	interval time.Duration
	last     time.Time
	pace     pace
}

// NewLog returns one that says so at most once in an interval, 0 for the
// default.
func NewLog(logger *slog.Logger, interval time.Duration) *Log {
	if interval == 0 {
		interval = DefaultLogInterval
	}
	return &Log{logger: logger, interval: interval, last: time.Now()}
}

// Update takes over how far the run is, and says so if it is time for it.
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
