// Package operations is what a server shows to those who run it, on a listener
// of its own that readers cannot reach: health, readiness, metrics, profiles.
package operations

import (
	"net/http"
	"net/http/pprof"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config says what to show.
type Config struct {
	// Ready returns why this server should get no requests now, or nil.
	Ready func() error
	// Healthy returns why this process does not work as it should, or nil. nil
	// in its place means that one that answers does.
	Healthy func() error
	// Metrics are what /metrics shows.
	Metrics prometheus.Gatherer
}

// Handler returns the handler of the private listener.
func Handler(config Config) http.Handler {
	router := http.NewServeMux()
	// The address that the log names.
	router.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusOK, "/healthz\n/readyz\n/metrics\n/debug/pprof/")
	})
	// A loop that ends ends the process, so one that answers is healthy.
	router.HandleFunc("GET /healthz", answer(config.Healthy))
	router.HandleFunc("GET /readyz", answer(config.Ready))
	router.Handle("GET /metrics", promhttp.HandlerFor(config.Metrics, promhttp.HandlerOpts{}))
	// The index serves the profiles that it lists by their names.
	router.HandleFunc("GET /debug/pprof/", pprof.Index)
	router.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	router.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	router.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	router.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return router
}

// answer says what is wrong, or ok; nil finds nothing wrong.
func answer(wrong func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if wrong != nil {
			if err := wrong(); err != nil {
				say(w, http.StatusServiceUnavailable, err.Error())
				return
			}
		}
		say(w, http.StatusOK, "ok")
	}
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
