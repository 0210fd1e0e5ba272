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
		open:    factory.NewGauge(prometheus.GaugeOpts{Name: "eventfeed_http_connections", Help: "Connections of clients that are open."}),
		refused: factory.NewCounter(prometheus.CounterOpts{Name: "eventfeed_http_refused_connections_total", Help: "Connections that were one too many of their client's."}),
		limit:   factory.NewGauge(prometheus.GaugeOpts{Name: "eventfeed_http_connections_limit", Help: "Connections that may be open at a time; more wait to be accepted."}),
	}
}
