package operations

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/eventfeed/eventfeed/internal/version"
)

// NewRegistry returns a registry that has the metrics of every program: of its
// process, of Go, and what it was built from.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := version.Read()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "eventfeed_build_info", Help: "Always 1; the labels say what the program was built from.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "go": build.Go},
	})
	info.Set(1)
	registry.MustRegister(info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}
