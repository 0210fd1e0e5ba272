package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
	"github.com/eventfeed/eventfeed/internal/httpd/observe"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
)

// shutdownGrace is how long requests under way may take after SIGTERM.
const shutdownGrace = 10 * time.Second

func serveCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "serve",
		Short: "Publish the feeds of a database over HTTP",
		Long: `Publish the feeds of a database over HTTP: http://ADDRESS/ lists them, http://ADDRESS/feeds/NAME is one.
The server also assigns positions to appended events and seals full pages; any number of servers may share
a database.`,
		Example: `  feedserver serve
  feedserver serve --db postgres://feedserver@localhost/shop --listen :8080 --base-url https://feeds.example.org/
  feedserver serve --listen :8443 --tls-cert cert.pem --tls-key key.pem --tokens tokens.toml`,
		Args: cobra.NoArgs,
	}
	db := databaseFlag(command)
	listen := command.Flags().String("listen", "127.0.0.1:8080", "`ADDRESS` to listen on; port 0 picks a free port")
	guards := addGuardFlags(command)
	operated := addOperationsFlags(command)
	migrate := command.Flags().Bool("migrate", true, "upgrade the database's schema first; set it to false if this user may not")
	cli.GroupFlags(command, "Database and address: db migrate listen base-url trusted-proxies",
		"Access: tokens allow-append tls-cert tls-key client-ca", "Limits: max-wait client-connections client-requests",
		"Operation: operations-listen profiles ready-needs-database drain access-log")
	cli.HelpEnd(command, "Without --tokens everyone who reaches the server may read all feeds. SIGTERM stops it.\nSee docs/commands.md#feedserver-serve, docs/operations.md, docs/network.md and docs/metrics.md.")
	command.RunE = func(command *cobra.Command, _ []string) (err error) {
		guard, err := guards.check()
		if err != nil {
			return err
		}
		if err := checkAddress(command.Context(), "listen", *listen); err != nil {
			return err
		}
		if err := operated.check(command.Context()); err != nil {
			return err
		}
		logger := cli.Logger(command.ErrOrStderr())
		defer func() {
			if err != nil {
				cli.LogSettings(command, logger)
			}
		}()
		saveMemory(command.Context())
		if _, err := sqlitePath(*db); err != nil {
			return err
		}
		if err := guards.open(guard, logger); err != nil {
			return err
		}
		if err := tryListen(*listen); err != nil {
			return err
		}
		operator, err := operated.open(guard.origin, logger)
		if err != nil {
			return err
		}
		defer operator.close()
		var log *store.Log
		err = awaitDatabase(command.Context(), logger, func() (err error) {
			log, err = openLog(command.Context(), *db, *migrate)
			return err
		})
		if command.Context().Err() != nil && log == nil {
			return nil // told to stop before it began
		}
		if err != nil {
			return err
		}
		defer log.Close()
		log.Logger = logger
		listener, err := listenOn(*listen)
		if err != nil {
			return err
		}
		if err := guard.checkAppend(listener.Addr()); err != nil {
			_ = listener.Close()
			return err
		}
		url := guard.scheme() + "://" + listener.Addr().String()
		if guard.origin.Base != nil {
			url = strings.TrimSuffix(guard.origin.Base.String(), "/")
		}
		guard.warn(listener.Addr(), logger)
		logger.Info("serving", "url", url+"/", "listen", listener.Addr().String(), "db", cli.Redact(*db))
		err = serve(command.Context(), log, guard, operator, listener)
		if err == nil {
			logger.Info("stopped")
		}
		return err
	}
	return command
}

// placeFirst bounds how long a server that starts may be kept by events that are
// pending.
const placeFirst = time.Second

func place(ctx context.Context, log *store.Log, operator *operator) {
	ctx, cancel := context.WithTimeout(ctx, placeFirst)
	defer cancel()
	publish.First(ctx, log, operator.publish)
}

// serve runs the publisher and the HTTP server until ctx is done or one of
// them fails.
func serve(ctx context.Context, log *store.Log, guard *guard, operator *operator, listener net.Listener) error {
	logger := operator.logger
	ctx, cancel := operator.drained(ctx)
	defer cancel()
	place(ctx, log, operator)
	var feeds *feedstate.Feeds
	err := awaitDatabase(ctx, logger, func() (err error) {
		feeds, err = feedstate.Open(ctx, log, logger)
		return err
	})
	if ctx.Err() != nil {
		return nil // told to stop before it began
	}
	if err != nil {
		return err
	}
	handler := server.New(server.Config{
		Log: log, Feeds: feeds, Grants: guard.grants(), Origin: guard.origin,
		AllowAppend: guard.allowAppend, MaxWait: guard.maxWait, ClientRequests: guard.requests,
		Local:  guard.tokens == nil && access.Local(listener.Addr()),
		Logger: logger, Metrics: operator.server, Readers: operator.page.readers,
	})
	handler.Register(operator.registry)
	operator.watch(log, feeds)
	limits := guard.limits(operator.connections)
	listener = httplimit.Listener(listener, limits)
	operator.requests.Remote = func(r *http.Request) string { return guard.origin.Of(r).Client }
	httpServer := httplimit.Server(observe.Handler(handler, operator.requests), limits)
	httpServer.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	httpServer.RegisterOnShutdown(handler.Release)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return operator.wait(ctx) })
	group.Go(func() error { return operator.page.run(ctx) })
	group.Go(func() error {
		return publish.Run(ctx, publish.Config{
			Log: log, Logger: logger, Changed: feeds.Hint, Metrics: operator.publish,
			Waited: func() bool { return handler.Waiting() > 0 },
		})
	})
	group.Go(func() error { return feeds.Run(ctx) })
	group.Go(func() error { return guard.run(ctx) })
	group.Go(func() error {
		if err := guard.serve(httpServer, listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		if err := httpServer.Shutdown(grace); err != nil {
			logger.Warn("requests were cut off at shutdown because they took too long", "seconds", shutdownGrace.Seconds())
			return httpServer.Close()
		}
		return nil
	})
	return group.Wait()
}
