package publish_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// metric returns the value of a metric, of a histogram the number of
// observations.
func metric(t *testing.T, registry prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	must.OK(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func waitMetric(t *testing.T, registry prometheus.Gatherer, name string, enough func(float64) bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !enough(metric(t, registry, name)); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s is %v", name, metric(t, registry, name))
		}
	}
}

// What the loops have done is counted, and so is what kept them from it.
func TestMetricsCountWhatTheLoopsDo(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, testdb.Postgres(t))
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 95))
	registry := prometheus.NewRegistry()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	config := publish.Config{Log: l, Batch: 10, Metrics: publish.NewMetrics(registry)}
	go func() { done <- publish.Run(ctx, config) }()
	waitMetric(t, registry, "eventfeed_sealer_last_success_timestamp_seconds", func(at float64) bool { return at > 0 })
	waitMetric(t, registry, "eventfeed_sequencer_last_success_timestamp_seconds", func(at float64) bool { return at > 0 })
	waitMetric(t, registry, "eventfeed_sealer_pages_total", func(pages float64) bool { return pages == 9 })
	for name, want := range map[string]float64{
		"eventfeed_sequencer_events_total":          95,
		"eventfeed_sequencer_step_duration_seconds": 10,
		"eventfeed_sequencer_errors_total":          0,
		"eventfeed_sealer_errors_total":             0,
	} {
		if got := metric(t, registry, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	l.Close() // nothing works from here on
	waitMetric(t, registry, "eventfeed_sequencer_errors_total", func(errors float64) bool { return errors > 0 })
	cancel()
	must.OK(t, <-done)
}
