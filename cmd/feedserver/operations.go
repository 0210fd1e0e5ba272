package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/server"
)

// operationsFlags say what a server shows to those who run it.
type operationsFlags struct {
	listen    *string
	drain     *time.Duration
	profiles  *bool
	accessLog *bool
	database  *bool
}

func addOperationsFlags(command *cobra.Command) *operationsFlags {
	flags := command.Flags()
	return &operationsFlags{
		listen:    flags.String("operations-listen", "", "private `ADDRESS` for the operations page, health, metrics, profiles (default: none)"),
		profiles:  flags.Bool("profiles", false, "serve profiles on --operations-listen even if it is not a loopback address"),
		drain:     flags.Duration("drain", 0, "`TIME` to keep serving after SIGTERM, while /readyz already answers 503, such as 5s"),
		accessLog: flags.Bool("access-log", false, "log every request"),
		database:  flags.Bool("ready-needs-database", false, "/readyz answers 503 while the database is unavailable; only for several servers that do not all lose it at once"),
	}
}

func (f *operationsFlags) check(ctx context.Context) error {
	if *f.drain < 0 {
		return cli.Usage("--drain %v: must not be negative", *f.drain)
	}
	if *f.listen == "" && *f.profiles {
		return cli.Usage("--profiles: requires --operations-listen")
	}
	if *f.listen == "" {
		return nil
	}
	return checkAddress(ctx, "operations-listen", *f.listen)
}

// operator counts what a server does, and shows it on the private listener.
type operator struct {
	registry  *prometheus.Registry
	readiness operations.Readiness
	publish   *publish.Metrics
	server    *server.Metrics
	requests  observe.Config
	page      operationsPage

	connections *httplimit.Metrics

	needsDatabase bool

	drain  time.Duration
	http   *http.Server
	ended  chan error
	logger *slog.Logger
}

// open begins to show what there is. The caller closes the operator.
func (f *operationsFlags) open(known forwarded.Rules, logger *slog.Logger) (*operator, error) {
	registry := operations.NewRegistry()
	o := &operator{
		registry:      registry,
		publish:       publish.NewMetrics(registry),
		server:        server.NewMetrics(registry),
		connections:   httplimit.NewMetrics(registry),
		requests:      observe.Config{Metrics: observe.NewMetrics(registry)},
		needsDatabase: *f.database,
		drain:         *f.drain, ended: make(chan error, 1), logger: logger,
	}
	if *f.accessLog {
		o.requests.AccessLog = logger
	}
	if *f.listen == "" {
		return o, nil
	}
	listener, err := net.Listen("tcp", *f.listen)
	if err != nil {
		return nil, &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "choose another address with --operations-listen; port 0 picks a free port"}
	}
	local := access.Local(listener.Addr())
	profiles := local || *f.profiles
	o.page.init(o.readiness.Err, profiles)
	o.http = httplimit.Server(operations.Handler(operations.Config{
		Ready: o.readiness.Err, Metrics: registry, Root: o.page.handler(),
		Local: local, Origin: forwarded.Rules{Base: known.Base}, Profiles: profiles,
	}), operations.Limits)
	o.http.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	logger.Info("serving health and metrics", "url", "http://"+listener.Addr().String()+"/", "listen", listener.Addr().String())
	go func() { o.ended <- o.http.Serve(httplimit.Listener(listener, operations.Limits)) }()
	return o, nil
}

// watch shows how the feeds stand, and that the server can answer.
func (o *operator) watch(log operations.Log, feeds *feedstate.Feeds) {
	database := operations.NewFeeds(log)
	o.registry.MustRegister(database)
	if o.http != nil {
		o.registry.MustRegister(operations.NewReaders(o.page.readers, &o.page.progress, feeds.All))
		o.page.watch(feeds, database, o.publish)
	}
	if o.needsDatabase {
		o.readiness.Needs = func() error {
			if age, is := feeds.CutOff(); is {
				return fmt.Errorf("%w for %v", feedstate.ErrCutOff, age.Round(time.Second))
			}
			return nil
		}
	}
	o.readiness.Begin()
}

// wait returns once the private listener has been closed, or with an error
// once it cannot be used any more, and at the latest when ctx is done.
func (o *operator) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-o.ended:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}
}

func (o *operator) close() {
	if o.http != nil {
		_ = o.http.Close()
	}
}

// drained returns a context that ends when ctx has ended and the time to drain
// is over; in between the server says that it is not ready.
func (o *operator) drained(ctx context.Context) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		o.readiness.Stop()
		select {
		case <-time.After(o.drain):
		case <-later.Done():
		}
		cancel()
	})
	return later, cancel
}
