// Package operations is what a server shows to those who run it, on a listener
// of its own that readers cannot reach: health, readiness, metrics, profiles.
package operations

import (
	"net/http"
	"net/http/pprof"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
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
	// Local says that only this machine reaches the listener: it answers only as
	// Origin's CheckName has it.
	Local  bool
	Origin forwarded.Rules
	// Root answers at "/"; nil in its place lists the paths.
	Root http.Handler
	// Profiles shows profiles. They take processor time and tell much, so they are
	// for listeners that only those who run the server reach.
	Profiles bool
}

// Limits are those of the private listener: few ask, and those are asked for a small
// part of the memory that the program has for its work.
var Limits = httplimit.Config{Connections: 200, ClientConnections: 100, Plain: true, HeaderBytes: 8 << 10, Fields: []string{"Accept", "Accept-Encoding"}}

// Handler returns the handler of the private listener.
func Handler(config Config) http.Handler {
	router := http.NewServeMux()
	paths := "/healthz\n/readyz\n/metrics"
	if config.Profiles {
		paths += "\n/debug/pprof/"
	}
	// The address that the log names.
	if config.Root == nil {
		config.Root = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, paths) })
	}
	router.Handle("GET /{$}", config.Root)
	// A loop that ends ends the process, so one that answers is healthy.
	router.HandleFunc("GET /healthz", answer(config.Healthy))
	router.HandleFunc("GET /readyz", answer(config.Ready))
	router.Handle("GET /metrics", promhttp.HandlerFor(config.Metrics, promhttp.HandlerOpts{}))
	if config.Profiles {
		addProfiles(router)
	} else {
		router.HandleFunc("GET /debug/pprof/", func(w http.ResponseWriter, _ *http.Request) {
			say(w, http.StatusForbidden, "profiles are off, because this is no loopback address; --profiles shows them")
		})
	}
	if !config.Local {
		return router
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := config.Origin.CheckName(r); err != nil {
			say(w, http.StatusMisdirectedRequest, err.Error())
			return
		}
		router.ServeHTTP(w, r)
	})
}

func addProfiles(router *http.ServeMux) {
	// The index serves the profiles that it lists by their names.
	router.HandleFunc("GET /debug/pprof/", pprof.Index)
	router.HandleFunc("GET /debug/pprof/cmdline", func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusOK, os.Args[0]) // its arguments may hold a password
	})
	router.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	router.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	router.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
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
