package site

import "github.com/prometheus/client_golang/prometheus"

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("eventfeed_export_"+name, help, labels, nil)
}

var (
	up        = describe("up", "Whether the last export succeeded; 0 before the first one.")
	position  = describe("position", "Position of the site's last event.", "feed")
	head      = describe("head", "Position of the feed's last event, when the log was read last.", "feed")
	behind    = describe("behind_events", "Events that the feed has and the site does not.", "feed")
	archives  = describe("archives", "Archives of the feed on the site.", "feed")
	exported  = describe("last_success_timestamp_seconds", "When site and log were last seen to be the same, in seconds since 1970; 0 before that.", "feed")
	documents = describe("written_documents_total", "Documents that this process has written to the site.", "feed")
	written   = describe("written_bytes_total", "Bytes of the documents that this process has written, before compression.", "feed")
)

// Metrics are those of an export.
type Metrics struct{ progress *Progress }

// NewMetrics returns a collector of what a progress shows.
func NewMetrics(p *Progress) *Metrics { return &Metrics{p} }

// Describe describes the metrics.
func (*Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{up, position, head, behind, archives, exported, documents, written} {
		to <- d
	}
}

// Collect sends the metrics.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ok := 1.0
	if _, err := m.progress.Failing(); err != nil || m.progress.Ready() != nil {
		ok = 0
	}
	gauge(up, ok)
	for _, f := range m.progress.Feeds() {
		gauge(position, float64(f.Position), f.Feed)
		gauge(head, float64(f.Head), f.Feed)
		gauge(behind, float64(f.Behind()), f.Feed)
		gauge(archives, float64(f.Archives), f.Feed)
		at := 0.0
		if !f.Exported.IsZero() {
			at = float64(f.Exported.UnixMilli()) / 1000
		}
		gauge(exported, at, f.Feed)
		to <- prometheus.MustNewConstMetric(documents, prometheus.CounterValue, float64(f.Written), f.Feed)
		to <- prometheus.MustNewConstMetric(written, prometheus.CounterValue, float64(f.Bytes), f.Feed)
	}
}
