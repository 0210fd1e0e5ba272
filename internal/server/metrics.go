package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/eventfeed/eventfeed/internal/cache"
)

// Metrics are the server's counters, except for those of requests.
type Metrics struct {
	Appended prometheus.Counter // events appended over HTTP, without duplicates
}

// NewMetrics creates the metrics and registers them; nil registers them nowhere.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	return &Metrics{Appended: promauto.With(registerer).NewCounter(prometheus.CounterOpts{
		Name: "eventfeed_appended_events_total", Help: "Events appended over HTTP, without duplicates.",
	})}
}

// Register registers the metrics of the server's cache, of the answers that are being sent, and of
// the age of the state in memory.
func (s *Server) Register(registerer prometheus.Registerer) {
	factory := promauto.With(registerer)
	counter := func(name, help string, pick func(cache.Stats) int64) {
		factory.NewCounterFunc(prometheus.CounterOpts{Name: "eventfeed_archive_cache_" + name, Help: help},
			func() float64 { return float64(pick(s.archives.Stats())) })
	}
	counter("hits_total", "Archives that were in memory when they were needed.", func(c cache.Stats) int64 { return c.Hits })
	counter("misses_total", "Archives that had to be read or made.", func(c cache.Stats) int64 { return c.Misses })
	factory.NewGaugeFunc(prometheus.GaugeOpts{Name: "eventfeed_archive_cache_bytes", Help: "Size of the archives in memory."},
		func() float64 { return float64(s.archives.Stats().Bytes) })
	factory.NewGaugeFunc(prometheus.GaugeOpts{Name: "eventfeed_http_sending_bytes", Help: "Bytes of distinct answers that are being sent; equal answers count once."},
		func() float64 { return float64(s.sending.held()) })
	factory.NewGaugeFunc(prometheus.GaugeOpts{Name: "eventfeed_state_age_seconds", Help: "Age of the feeds' state in memory, from which the server answers: time since it was last read from the database."},
		func() float64 { age, _ := s.Feeds.CutOff(); return age.Seconds() })
}
