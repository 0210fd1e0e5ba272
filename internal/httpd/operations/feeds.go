package operations

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/store"
)

// Log is asked how its feeds stand.
type Log interface {
	Stats(ctx context.Context) (store.Stats, error)
}

// How often the database is asked at most, however many scrape, and for how
// long an answer is waited for.
const (
	defaultEvery = 5 * time.Second
	askTimeout   = 2 * time.Second
)

var (
	databaseUp = describe("database_up", "Whether the database answered the last query for the feeds' state.")
	position   = describe("feed_position", "Position of the feed's last event.", "feed")
	archives   = describe("feed_archives", "Pages of the feed that are sealed.", "feed")
	unsealed   = describe("feed_unsealed_pages", "Pages of the feed that are full and not sealed yet.", "feed")
	pending    = describe("feed_pending_events", "Events of the feed that have no position yet, counted up to 10,000.", "feed")
	oldest     = describe("feed_oldest_pending_seconds", "How long, at least, the oldest event without a position has been waiting, as seen from scrape to scrape.", "feed")
	held       = describe("feed_held", "Whether the feed is held: its events stay pending until feedserver open.", "feed")
	refused    = describe("feed_refused_rows", "Refused rows: rows that a trigger could not append to the feed, counted up to 10,000.", "feed")
	dead       = describe("pending_dead_rows", "Dead rows of the table eventfeed.pending that vacuum has not removed yet, as PostgreSQL estimates.")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("eventfeed_"+name, help, labels, nil)
}

// feeds collects how the feeds stand when someone asks for it.
type feeds struct {
	log     Log
	every   time.Duration
	mu      sync.Mutex
	asked   time.Time
	err     error
	stats   store.Stats
	waiting map[string]waiting // by feed
}

// waiting is since when the oldest pending event of a feed has been seen there.
type waiting struct {
	oldest, position int64
	since            time.Time
}

// NewFeeds returns a collector of how the feeds of the log stand. Metrics of
// feeds are left out while the database does not answer.
func NewFeeds(log Log) prometheus.Collector {
	return &feeds{log: log, every: defaultEvery, waiting: map[string]waiting{}}
}

// Describe lists what is collected.
func (f *feeds) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{databaseUp, position, archives, unsealed, pending, oldest, held, refused, dead} {
		descriptions <- d
	}
}

// Collect asks the database, unless it has been asked a moment ago.
func (f *feeds) Collect(metrics chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.asked) > f.every {
		f.ask()
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(databaseUp, number(f.err == nil))
	if f.err != nil {
		return
	}
	gauge(dead, float64(f.stats.DeadPending))
	for i := range f.stats.Feeds {
		s := &f.stats.Feeds[i]
		gauge(position, float64(s.Position), s.Name)
		gauge(archives, float64(s.Archives), s.Name)
		gauge(unsealed, float64(s.Unsealed), s.Name)
		gauge(pending, float64(s.Pending), s.Name)
		gauge(oldest, f.age(s).Seconds(), s.Name)
		gauge(held, number(s.Held), s.Name)
		gauge(refused, float64(s.Refused), s.Name)
	}
}

func (f *feeds) ask() {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	stats, err := f.log.Stats(ctx)
	f.asked, f.err = time.Now(), err
	if err != nil {
		return // what waited goes on waiting
	}
	f.stats = stats
	before := f.waiting
	f.waiting = make(map[string]waiting, len(before))
	for i := range stats.Feeds {
		s := &stats.Feeds[i]
		if s.Oldest == 0 || s.Held {
			continue
		}
		w, was := before[s.Name]
		// An older one that came in later, from a long transaction, changes
		// nothing as long as none has got its position.
		if !was || s.Oldest != w.oldest && (s.Oldest > w.oldest || s.Position != w.position) {
			w.since = f.asked
		}
		w.oldest, w.position = s.Oldest, s.Position
		f.waiting[s.Name] = w
	}
}

// age is how long a feed's oldest pending event has been seen there.
func (f *feeds) age(s *store.FeedStats) time.Duration {
	w, waits := f.waiting[s.Name]
	if !waits {
		return 0
	}
	return time.Since(w.since)
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
