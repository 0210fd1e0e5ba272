package observe

import (
	"net/http"
	"strconv"

	"github.com/felixge/httpsnoop"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what is counted of requests.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	waiting  prometheus.Gauge
	streams  prometheus.Gauge
}

// Values of the labels for what clients may choose without bounds.
const (
	noRoute     = "none"
	otherMethod = "other"
)

// NewMetrics makes the metrics and registers them; with nil they are kept
// nowhere.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	factory := promauto.With(registerer)
	return &Metrics{
		requests: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "eventfeed_http_requests_total",
			Help: "Requests by route, method and status; 499: the client closed the connection before the answer.",
		}, []string{"route", "method", "code"}),
		duration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "eventfeed_http_request_duration_seconds",
			Help:    "Duration of requests, sending included, without the time that long polls waited for new events.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 3, 11), // to 30 s
		}, []string{"route", "method"}),
		bytes: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "eventfeed_http_response_bytes_total",
			Help: "Bytes sent in response bodies, as compressed.",
		}, []string{"route"}),
		waiting: factory.NewGauge(prometheus.GaugeOpts{
			Name: "eventfeed_waiting_readers", Help: "Open long polls: requests that are held until there are new events.",
		}),
		streams: factory.NewGauge(prometheus.GaugeOpts{
			Name: "eventfeed_open_streams", Help: "Open streams of server-sent events.",
		}),
	}
}

func (m *Metrics) answered(record *record, method string, answer *httpsnoop.Metrics) {
	method = knownMethod(method)
	m.requests.WithLabelValues(record.route, method, strconv.Itoa(answer.Code)).Inc()
	m.duration.WithLabelValues(record.route, method).Observe(max(answer.Duration-record.paused, 0).Seconds())
	m.bytes.WithLabelValues(record.route).Add(float64(answer.Written))
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return otherMethod
	}
}
