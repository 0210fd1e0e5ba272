package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/httplimit"
	"github.com/eventfeed/eventfeed/internal/live"
	"github.com/eventfeed/eventfeed/internal/observe"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
)

// shutdownGrace is how long requests under way may take after SIGTERM.
const shutdownGrace = 10 * time.Second

func serveCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "serve",
		Short: "Give events their positions, seal pages, and serve the feeds over HTTP",
		Long: `Serve the feeds of a database over HTTP: http://ADDRESS/ lists them, and
http://ADDRESS/feeds/NAME is a feed. Give events that were appended their
positions, and seal full pages. Any number of servers may share a database.

It runs until SIGTERM or an interrupt, lets requests end for up to 10 s, and
exits with status 0. It has no TLS and asks for no password: put a proxy that
has before it, or listen only where readers may read all.`,
		Example: `  feedserver serve
  feedserver serve --db postgres://feedserver@localhost/shop --listen :8080
  feedserver serve --config /etc/eventfeed.toml --base-url https://feeds.example.org/`,
		Args: cobra.NoArgs,
	}
	db := databaseFlag(command)
	listen := command.Flags().String("listen", "127.0.0.1:8080", "`ADDRESS` to listen on; port 0 takes a free one")
	baseURL := command.Flags().String("base-url", "", "`URL` under which readers reach this server, where it is not the address")
	operated := addOperationsFlags(command)
	migrate := command.Flags().Bool("migrate", true, "bring the database's schema up to date first; false where this user may not")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if u, err := url.Parse(*baseURL); *baseURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return cli.Usage("--base-url %q: must be an http or https URL", cli.Redact(*baseURL))
		}
		if err := checkAddress(command.Context(), "listen", *listen); err != nil {
			return err
		}
		if err := operated.check(command.Context()); err != nil {
			return err
		}
		logger := cli.Logger(command.ErrOrStderr())
		cli.LogSettings(command, logger)
		operator, err := operated.open(logger)
		if err != nil {
			return err
		}
		defer operator.close()
		log, err := openLog(command.Context(), *db, *migrate)
		if err != nil {
			return err
		}
		defer log.Close()
		log.Logger = logger
		listener, err := net.Listen("tcp", *listen)
		if err != nil {
			return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "choose another address with --listen; port 0 takes a free one"}
		}
		if *baseURL == "" {
			*baseURL = "http://" + listener.Addr().String()
		}
		logger.Info("serving", "url", strings.TrimSuffix(*baseURL, "/")+"/", "listen", listener.Addr().String(), "db", cli.Redact(*db))
		err = serve(command.Context(), log, operator, listener)
		if err == nil {
			logger.Info("stopped")
		}
		return err
	}
	return command
}

// serve runs the publisher and the HTTP server until ctx is done or one of
// them fails.
func serve(ctx context.Context, log *store.Log, operator *operator, listener net.Listener) error {
	logger := operator.logger
	ctx, cancel := operator.drained(ctx)
	defer cancel()
	feeds, err := live.Open(ctx, log, logger)
	if err != nil {
		return err
	}
	handler := server.New(server.Config{Log: log, Feeds: feeds, Logger: logger})
	handler.Register(operator.registry)
	operator.watch(log)
	listener = httplimit.Listener(listener, operator.limits)
	httpServer := httplimit.Server(observe.Handler(handler, operator.requests), operator.limits)
	httpServer.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	httpServer.RegisterOnShutdown(handler.Release)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return operator.wait(ctx) })
	group.Go(func() error {
		return publish.Run(ctx, publish.Config{Log: log, Logger: logger, Changed: feeds.Hint, Metrics: operator.publish})
	})
	group.Go(func() error { return feeds.Run(ctx) })
	group.Go(func() error {
		if err := httpServer.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		if err := httpServer.Shutdown(grace); err != nil {
			logger.Warn("requests were cut off that took longer than the server may to stop", "seconds", shutdownGrace.Seconds())
			return httpServer.Close()
		}
		return nil
	})
	return group.Wait()
}
