package progress

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics exports a Health to Prometheus.
type metrics struct {
	*Health
	position, head, lagEvents, lagSeconds, applied    *prometheus.Desc // by feed
	answered, failed                                  *prometheus.Desc // by origin
	skipped, leftOut, parked, waiting, pages, bytes   *prometheus.Desc
	old, unroutable                                   *prometheus.Desc
	lastCommit, retries, targetUp, following, seconds *prometheus.Desc
}

// Collector returns a collector of the health's metrics.
func (s *Health) Collector() prometheus.Collector {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("eventfeed_seeder_"+name, help, labels, nil)
	}
	return &metrics{
		Health:     s,
		position:   of("position", "Position of the last event of the feed that was applied.", "feed", "feed_id"),
		head:       of("head", "Position of the last event of the feed that the seeder knows of.", "feed", "feed_id"),
		lagEvents:  of("lag_events", "Lag: events of the feed that the seeder knows of and has not applied yet.", "feed", "feed_id"),
		lagSeconds: of("lag_seconds", "Lag: how long the seeder has known of the oldest event that is not applied yet, 0 if there is none.", "feed", "feed_id"),
		applied:    of("applied_events_total", "Events of the feed that were applied.", "feed", "feed_id"),
		answered:   of("last_answer_timestamp_seconds", "Time of the last successful response of the server, 0 if there was none.", "origin"),
		failed:     of("failed_requests_total", "Requests that the server did not answer, or answered with status 5xx or 429.", "origin"),
		skipped:    of("skipped_events_total", "Applied events that were skipped, because the projection has no block for their type."),
		leftOut:    of("left_out_events_total", "Events left out because they are later than the time of --as-of."),
		parked:     of("parked_events_total", "Events parked because they, or an earlier event of their entity, could not be applied."),
		waiting:    of("parked_events", "Parked events of the feed in the target.", "feed", "feed_id"),
		pages:      of("pages_total", "Pages fetched."),
		bytes:      of("page_bytes_total", "Size of the pages fetched."),
		old:        of("old_answers_total", "Responses with an older state of a feed than the seeder knows, from a cache or a server that lags."),
		unroutable: of("unroutable_events_total", "Events that --publish has published and that went to no queue of the broker."),
		lastCommit: of("last_commit_timestamp_seconds", "Time when the checkpoint last moved, or the run started."),
		retries:    of("target_retries_total", "Retries of operations on the target."),
		targetUp:   of("target_up", "Whether the target was available when it was last used."),
		following:  of("following", "Whether the history is applied, up to the ends that the feeds had when the run started."),
		seconds:    of("seconds_total", "Time spent on pages, by activity; fetching and decoding run in parallel with the others.", "on"),
	}
}

// Describe sends the descriptions of the metrics.
func (m *metrics) Describe(all chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		m.position, m.head, m.lagEvents, m.lagSeconds, m.applied, m.answered, m.failed, m.skipped, m.leftOut,
		m.parked, m.waiting, m.pages, m.bytes, m.old, m.unroutable, m.lastCommit, m.retries, m.targetUp, m.following, m.seconds,
	} {
		all <- d
	}
}

// Collect sends the metrics. It uses the state in memory only.
func (m *metrics) Collect(all chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	show := func(kind prometheus.ValueType) func(*prometheus.Desc, float64, ...string) {
		return func(d *prometheus.Desc, value float64, labels ...string) {
			all <- prometheus.MustNewConstMetric(d, kind, value, labels...)
		}
	}
	gauge, counter := show(prometheus.GaugeValue), show(prometheus.CounterValue)
	now, p := m.now(), &m.progress
	for i := range p.Feeds {
		f := &p.Feeds[i]
		gauge(m.position, float64(f.Position), f.Feed, f.FeedID)
		gauge(m.head, float64(f.Head), f.Feed, f.FeedID)
		gauge(m.lagEvents, float64(f.Head-f.Position), f.Feed, f.FeedID)
		gauge(m.lagSeconds, m.feeds[f.FeedID].lag(now).Seconds(), f.Feed, f.FeedID)
		counter(m.applied, float64(f.Applied), f.Feed, f.FeedID)
		gauge(m.waiting, float64(f.Waiting), f.Feed, f.FeedID)
	}
	for _, name := range sortedKeys(m.origins) {
		o := m.origins[name]
		gauge(m.answered, unix(o.answered), name)
		counter(m.failed, float64(o.failed), name)
	}
	counter(m.skipped, float64(p.Skipped))
	counter(m.leftOut, float64(p.LeftOut))
	counter(m.parked, float64(p.Parked))
	counter(m.pages, float64(p.Pages))
	counter(m.bytes, float64(p.Bytes))
	counter(m.old, float64(p.Old))
	counter(m.unroutable, float64(p.Unroutable))
	gauge(m.lastCommit, unix(m.commit))
	counter(m.retries, float64(p.Target.Retries))
	gauge(m.targetUp, truth(p.Target.Err == nil))
	gauge(m.following, truth(p.Following))
	counter(m.seconds, p.Fetch.Seconds(), "fetch")
	counter(m.seconds, p.Decode.Seconds(), "decode")
	counter(m.seconds, p.Apply.Seconds(), "apply")
	counter(m.seconds, p.Commit.Seconds(), "commit")
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
