package operations

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/overview"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Log is asked how its feeds stand.
type Log interface {
	Stats(ctx context.Context) (store.Stats, error)
}

// How often the database is asked at most, however many scrape, how often it is asked if nobody
// does, and for how long an answer is waited for. restAfter times as long as the last query took, the
// database is left alone.
const (
	defaultEvery = 5 * time.Second
	lookEvery    = 10 * time.Second
	askTimeout   = 2 * time.Second
	restAfter    = 10
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

// Feeds has the state of the feeds in the database, as it was read last: for the metrics, which are
// read when someone asks for them, and for the operations page.
type Feeds struct {
	log   Log
	every time.Duration

	mu       sync.Mutex    // not held while the database is asked
	asking   chan struct{} // closed once the query that runs is answered; nil if none runs
	asked    time.Time     // end of the last query
	took     time.Duration // by it
	answered time.Time
	err      error
	stats    store.Stats
	waiting  map[string]waiting   // by feed
	unsealed map[string]time.Time // since when feeds have had full pages that are not sealed
}

// waiting is since when the oldest pending event of a feed has been seen there.
type waiting struct {
	oldest, position int64
	since            time.Time
	held             bool
}

// NewFeeds returns a collector of how the feeds of the log stand. Metrics of
// feeds are left out while the database does not answer.
func NewFeeds(log Log) *Feeds {
	return &Feeds{log: log, every: defaultEvery, waiting: map[string]waiting{}, unsealed: map[string]time.Time{}}
}

// Run reads the state of the feeds every 10 seconds until ctx is done, so that the ages in Known are
// right whether or not someone scrapes.
func (f *Feeds) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		f.look()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// look asks the database, unless it has been asked a moment ago.
// If it is being asked, look waits for that answer.
func (f *Feeds) look() {
	f.mu.Lock()
	asking := f.asking
	if asking == nil && time.Since(f.asked) > max(f.every, restAfter*f.took) {
		f.asking = make(chan struct{})
		f.mu.Unlock()
		f.ask()
		return
	}
	f.mu.Unlock()
	if asking != nil {
		<-asking
	}
}

// Known returns what was read last. It does not ask the database, nor wait for it.
func (f *Feeds) Known() overview.Known {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := overview.Known{
		Stats: f.stats, Answered: f.answered, Err: f.err, TimedOut: errors.Is(f.err, context.DeadlineExceeded),
		Oldest: make(map[string]time.Duration, len(f.waiting)), Unsealed: make(map[string]time.Duration, len(f.unsealed)),
	}
	for name, w := range f.waiting {
		known.Oldest[name] = time.Since(w.since)
	}
	for name, since := range f.unsealed {
		known.Unsealed[name] = time.Since(since)
	}
	return known
}

// Describe lists what is collected.
func (f *Feeds) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{databaseUp, position, archives, unsealed, pending, oldest, held, refused, dead} {
		descriptions <- d
	}
}

// Collect asks the database, unless it has been asked a moment ago, and sends the metrics.
func (f *Feeds) Collect(metrics chan<- prometheus.Metric) {
	f.look()
	f.mu.Lock()
	defer f.mu.Unlock()
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

// ask asks the database. Its caller has set asking.
func (f *Feeds) ask() {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	began := time.Now()
	stats, err := f.log.Stats(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(stats, err, began)
	close(f.asking)
	f.asking = nil
}

func (f *Feeds) note(stats store.Stats, err error, began time.Time) {
	f.asked, f.took, f.err = time.Now(), time.Since(began), err
	if err != nil {
		return // what waited goes on waiting
	}
	f.stats, f.answered = stats, f.asked
	before, unsealed := f.waiting, f.unsealed
	f.waiting, f.unsealed = make(map[string]waiting, len(before)), make(map[string]time.Time, len(unsealed))
	for i := range stats.Feeds {
		s := &stats.Feeds[i]
		if s.Unsealed > 0 {
			f.unsealed[s.Name] = f.asked
			if since, was := unsealed[s.Name]; was {
				f.unsealed[s.Name] = since
			}
		}
		if s.Oldest == 0 {
			continue
		}
		w, was := before[s.Name]
		// An older one that came in later, from a long transaction, changes
		// nothing as long as none has got its position.
		// What waited in a held feed did so on purpose, until it was opened.
		if !was || w.held && !s.Held || s.Oldest != w.oldest && (s.Oldest > w.oldest || s.Position != w.position) {
			w.since = f.asked
		}
		w.oldest, w.position, w.held = s.Oldest, s.Position, s.Held
		f.waiting[s.Name] = w
	}
}

// age is how long a feed's oldest pending event has been seen there; 0 if the feed is held.
func (f *Feeds) age(s *store.FeedStats) time.Duration {
	w, waits := f.waiting[s.Name]
	if !waits || s.Held {
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
