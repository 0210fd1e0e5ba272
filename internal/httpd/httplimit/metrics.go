package httplimit

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what a listener counts.
type Metrics struct {
	open, limit prometheus.Gauge
	refused     prometheus.Counter
}

// NewMetrics makes the metrics and registers them; with nil they are kept
// nowhere.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	factory := promauto.With(registerer)
	return &Metrics{
		open:    factory.NewGauge(prometheus.GaugeOpts{Name: "eventfeed_http_connections", Help: "Open connections of clients."}),
		refused: factory.NewCounter(prometheus.CounterOpts{Name: "eventfeed_http_refused_connections_total", Help: "Connections refused because their client had too many open."}),
		limit:   factory.NewGauge(prometheus.GaugeOpts{Name: "eventfeed_http_connections_limit", Help: "Maximum number of open connections; further ones wait to be accepted."}),
	}
}
