package publish

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics is what the loops count. One of them serves one Run, and one First before it.
type Metrics struct {
	sequencer, sealer loopMetrics
}

// loopMetrics is what one of the two loops counts.
type loopMetrics struct {
	steps   prometheus.Histogram // seconds, of steps that moved a feed on
	done    prometheus.Counter   // events or pages
	errors  prometheus.Counter   // steps and looks that failed
	failing prometheus.Gauge     // feeds that cannot be moved on
	success prometheus.Gauge     // when a round last came to its end
	errs    *failures
}

// NewMetrics makes the metrics and registers them; with nil they are kept
// nowhere.
func NewMetrics(registerer prometheus.Registerer) *Metrics {
	return &Metrics{
		sequencer: newLoopMetrics(registerer, "sequencer", "events", "Events to which this server assigned positions."),
		sealer:    newLoopMetrics(registerer, "sealer", "pages", "Pages that this server sealed."),
	}
}

func newLoopMetrics(registerer prometheus.Registerer, loop, what, help string) loopMetrics {
	factory := promauto.With(registerer)
	name := func(name string) string { return prometheus.BuildFQName("eventfeed", loop, name) }
	return loopMetrics{
		steps: factory.NewHistogram(prometheus.HistogramOpts{
			Name: name("step_duration_seconds"), Help: "Duration of the transactions that sequenced or sealed a feed.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 10), // to 20 s
		}),
		done:    factory.NewCounter(prometheus.CounterOpts{Name: name(what + "_total"), Help: help}),
		errors:  factory.NewCounter(prometheus.CounterOpts{Name: name("errors_total"), Help: "Steps of a feed, and searches for feeds with pending work, that failed; they are retried."}),
		failing: factory.NewGauge(prometheus.GaugeOpts{Name: name("failing_feeds"), Help: "Feeds that cannot be sequenced or sealed at present; the log names them."}),
		errs:    &failures{},
		success: factory.NewGauge(prometheus.GaugeOpts{Name: name("last_success_timestamp_seconds"), Help: "When a round of the feeds last ended without an error, 0 before the first."}),
	}
}

// step counts what a step has done that began at a time.
func (m *loopMetrics) step(began time.Time, done int) {
	if done > 0 {
		m.steps.Observe(time.Since(began).Seconds())
		m.done.Add(float64(done))
	}
}

// look counts how a look for something to do ended.
func (m *loopMetrics) look(err error) {
	if err != nil {
		m.errors.Inc()
	}
}
