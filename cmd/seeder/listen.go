package main

import (
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/progress"
)

// listenFlags are the flags of the health checks and metrics of a run.
type listenFlags struct {
	address  string
	maxLag   time.Duration
	profiles bool
}

func addListenFlags(command *cobra.Command) *listenFlags {
	l := &listenFlags{}
	flags := command.Flags()
	flags.StringVar(&l.address, "listen", "", "private `ADDRESS` for a page, health, metrics and profiles (default: none)")
	flags.BoolVar(&l.profiles, "profiles", false, "serve profiles on --listen even if it is not a loopback address")
	cli.NameVariable(flags, "listen", "EVENTFEED_SEEDER_LISTEN") // a feedserver beside it has its own
	flags.DurationVar(&l.maxLag, "max-lag", defaultMaxLag, "`DURATION` that a feed may lag while /readyz answers 200; 0: any")
	return l
}

func (l *listenFlags) check(command *cobra.Command) error {
	switch {
	case l.maxLag < 0:
		return cli.Usage("--max-lag %s: must not be negative", l.maxLag)
	case l.address == "" && cli.Given(command, "max-lag"):
		return cli.Usage("--max-lag: requires --listen")
	case l.address == "" && l.profiles:
		return cli.Usage("--profiles: requires --listen")
	case l.address == "":
		return nil
	}
	_, port, err := net.SplitHostPort(l.address)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(command.Context(), "tcp", port)
	}
	if err != nil {
		return cli.Usage("--listen %q: must be HOST:PORT, such as 127.0.0.1:9100: %w", l.address, err)
	}
	return nil
}

// open starts the listener for health checks, metrics and the page of a run, if there is one, and
// counts the run's requests. The caller closes it.
func (l *listenFlags) open(command *cobra.Command, run *runFlags) (health *progress.Health, closeListener func(), err error) {
	config, logger := &run.config, run.config.Logger
	health = progress.NewHealth(l.maxLag)
	if l.address == "" {
		return health, func() {}, nil
	}
	listener, err := net.Listen("tcp", l.address)
	if err != nil {
		return nil, nil, &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "choose another address with --listen; port 0 picks a free port"}
	}
	registry := operations.NewRegistry()
	registry.MustRegister(health.Collector())
	local := access.Local(listener.Addr())
	page := newRunPage(command, run, health, local || l.profiles)
	server := httplimit.Server(operations.Handler(operations.Config{
		Ready: health.Ready, Healthy: health.Healthy, Metrics: registry, Local: local, Profiles: local || l.profiles,
		Root: operations.Page(page.render),
	}), operations.Limits)
	server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	counted := *config.HTTPClient
	counted.Transport = health.Transport(transportOf(config.HTTPClient))
	config.HTTPClient = &counted
	logger.Info("serving health and metrics", "url", "http://"+listener.Addr().String()+"/", "listen", listener.Addr().String())
	go func() { _ = server.Serve(httplimit.Listener(listener, operations.Limits)) }() // until it is closed
	return health, func() { _ = server.Close() }, nil
}

func transportOf(client *http.Client) http.RoundTripper {
	if client.Transport == nil {
		return http.DefaultTransport
	}
	return client.Transport
}
