package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/httpd/httplimit"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/version"
)

// exportListener shows how an export is to those who run it.
type exportListener struct {
	address *string
	http    *http.Server
	ended   chan error
}

func addExportListener(command *cobra.Command) *exportListener {
	return &exportListener{
		address: command.Flags().String("operations-listen", "", "with --follow: private `ADDRESS` for a page, health and metrics (default: none)"),
		ended:   make(chan error, 1),
	}
}

func (l *exportListener) check(ctx context.Context, follow bool) error {
	if *l.address == "" {
		return nil
	}
	if !follow {
		return cli.Usage("--operations-listen: requires --follow")
	}
	return checkAddress(ctx, "operations-listen", *l.address)
}

// open begins to listen. The caller closes the listener.
func (l *exportListener) open(progress *site.Progress, place string, logger *slog.Logger) (*exportListener, error) {
	if *l.address == "" {
		return l, nil
	}
	listener, err := net.Listen("tcp", *l.address)
	if err != nil {
		return nil, &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "choose another address with --operations-listen; port 0 picks a free port"}
	}
	registry := operations.NewRegistry()
	registry.MustRegister(site.NewMetrics(progress))
	page := operations.Page(func(_ context.Context, form operations.Form) ([]byte, error) {
		return site.RenderPage(progress, place, version.Read().String(), form, time.Now())
	})
	l.http = httplimit.Server(operations.Handler(operations.Config{
		Ready: progress.Ready, Metrics: registry, Root: page, Local: access.Local(listener.Addr()),
	}), operations.Limits)
	l.http.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelWarn)
	logger.Info("serving health and metrics", "url", "http://"+listener.Addr().String()+"/", "listen", listener.Addr().String())
	go func() { l.ended <- l.http.Serve(httplimit.Listener(listener, operations.Limits)) }()
	return l, nil
}

// wait returns when the listener is closed, or with an error when it cannot be used any more.
func (l *exportListener) wait(ctx context.Context) error {
	if l.http == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-l.ended:
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}
}

func (l *exportListener) close() {
	if l.http != nil {
		_ = l.http.Close()
	}
}
