package operations

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/overview"
	"github.com/eventfeed/eventfeed/internal/readers"
)

// namedReaders is the maximum number of readers of feeds that have metrics of their own, so that the
// number of time series is bounded.
const namedReaders = 100

var (
	readerCount    = describe("readers", "Readers of the feed that this server has seen in the last week, at most 10,000 with a name and 1,000 without one in all feeds.", "feed")
	readerPosition = describe("reader_position", "Position up to which a reader with a token or certificate has fetched the feed from this server.", "feed", "reader")
	readerLag      = describe("reader_lag_events", "Events of the feed that the reader has not fetched from this server.", "feed", "reader")
	readerAge      = describe("reader_lag_seconds", "How long, at least, the reader has lacked the first event that it has not fetched from this server; 0 if it lacks none.", "feed", "reader")
	readerSeen     = describe("reader_last_seen_timestamp_seconds", "Time of the reader's last request to this server; now while it waits.", "feed", "reader")
)

// readerMetrics collects the readers of a server.
type readerMetrics struct {
	list     *readers.List
	progress *readers.Progress
	feeds    func() []*feedstate.State
}

// NewReaders returns a collector of the readers of the feeds. Those with a token or a certificate have
// metrics of their own: the first 100. It asks no database.
func NewReaders(list *readers.List, progress *readers.Progress, feeds func() []*feedstate.State) prometheus.Collector {
	return &readerMetrics{list, progress, feeds}
}

// Describe lists what is collected.
func (m *readerMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readerCount, readerPosition, readerLag, readerAge, readerSeen} {
		descriptions <- d
	}
}

// Collect sends the metrics.
func (m *readerMetrics) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	now, states, count := time.Now(), make(map[string]*feedstate.State), make(map[string]int)
	for _, state := range m.feeds() {
		states[state.Name] = state
	}
	type label struct{ feed, reader string }
	named := make(map[label]bool)
	list := m.list.All()
	for i := range list {
		entry := &list[i]
		count[entry.Feed]++
		name := label{entry.Feed, entry.Name}
		// A token and a certificate may have the same name; the first one counts.
		if entry.Kind == readers.Address || states[entry.Feed] == nil || named[name] || len(named) == namedReaders {
			continue
		}
		named[name] = true
		r := overview.ReaderOf(entry, states[entry.Feed], m.progress, now)
		gauge(readerSeen, float64(r.Seen.UnixMilli())/1000, r.Feed, r.Name)
		if r.Position != nil { // else it is of another history
			gauge(readerPosition, float64(*r.Position), r.Feed, r.Name)
			gauge(readerLag, float64(*r.Behind), r.Feed, r.Name)
			gauge(readerAge, time.Duration(r.Lag).Seconds(), r.Feed, r.Name)
		}
	}
	for feed := range states {
		gauge(readerCount, float64(count[feed]), feed)
	}
}
