package observe

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Waiting tells that the request of this context waits for something new until
// done is called. That time does not count as time taken to answer.
func Waiting(ctx context.Context) (done func()) {
	return pause(ctx, func(m *Metrics) prometheus.Gauge { return m.waiting })
}

// Streaming tells that the answer to the request of this context is a stream of
// what is new, until done is called. Its time does not count as time taken to
// answer.
func Streaming(ctx context.Context) (done func()) {
	return pause(ctx, func(m *Metrics) prometheus.Gauge { return m.streams })
}

func pause(ctx context.Context, pick func(*Metrics) prometheus.Gauge) (done func()) {
	record, observed := ctx.Value(recordKey{}).(*record)
	if !observed {
		return func() {}
	}
	gauge, began := pick(record.metrics), time.Now()
	gauge.Inc()
	return func() {
		gauge.Dec()
		record.paused += time.Since(began)
	}
}
