package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// exportFlags are those of the export.
type exportFlags struct {
	db       *string
	site     siteFlags
	all      bool
	follow   bool
	interval time.Duration
	patience time.Duration
	accept   bool
	listen   *exportListener
}

func exportCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "export [NAME]",
		Short: "Export a feed to a folder or an S3 bucket, from where any web server publishes it",
		Long: `Export a feed as files: a folder or an S3 bucket then has the same documents at the same paths as a server,
and any web server, object store or CDN publishes the history without a process of eventfeed. Readers use
.../feeds/NAME.atom. A later run adds what is new; --follow goes on as events come.`,
		Example: `  feedserver export orders --site /srv/site --public
  feedserver export orders --site /srv/site --public --follow --operations-listen 127.0.0.1:9090
  feedserver export --all --site 's3://history/shop?endpoint=https://s3.example.org' --private`,
		Args: cobra.MaximumNArgs(1),
	}
	f := &exportFlags{db: databaseFlag(command)}
	f.site.add(command)
	flags := command.Flags()
	flags.BoolVar(&f.all, "all", false, "export all feeds, and a service document that lists them, feeds.xml")
	flags.BoolVar(&f.follow, "follow", false, "go on until SIGTERM")
	flags.DurationVar(&f.interval, "interval", site.DefaultInterval, "with --follow: least `TIME` between two subscription documents of a feed")
	flags.DurationVar(&f.patience, "patience", time.Minute, "retry timeout: `TIME` for which a site or a database that is unavailable is tried again; 0 means no limit, the default with --follow")
	flags.BoolVar(&f.accept, "accept-epoch", false, "after a restore that has lost events: keep those that only the site has, and export the new epoch")
	f.listen = addExportListener(command)
	cli.GroupFlags(command, "What and where: db all site public private", "How: follow interval patience accept-epoch",
		"Bucket: coding single-writer", "Operation: operations-listen")
	cli.HelpEnd(command, "Exit status 3: the site has another history than the log, or one that goes on further; the error says which.\n"+
		"See docs/commands.md#feedserver-export and docs/archive.md.")
	command.RunE = func(command *cobra.Command, arguments []string) error { return f.run(command, arguments) }
	return command
}

func (f *exportFlags) run(command *cobra.Command, arguments []string) error {
	name, err := f.check(command, arguments)
	if err != nil {
		return err
	}
	logger := cli.Logger(command.ErrOrStderr())
	store, check, err := f.site.open()
	if err != nil {
		return explainExport(err)
	}
	progress := &site.Progress{}
	listener, err := f.listen.open(progress, f.site.shown(), logger)
	if err != nil {
		return err
	}
	defer listener.close()
	log, err := f.openLog(command.Context(), logger)
	if log == nil && command.Context().Err() != nil && f.follow {
		return nil // told to stop before it began
	}
	if err != nil {
		return err
	}
	defer log.Close()
	config := site.Config{
		Log: log, Store: store, Check: check, Feed: name, Follow: f.follow, Interval: f.interval, Patience: f.patience,
		AcceptEpoch: f.accept, Logger: logger, Progress: progress,
	}
	group, ctx := errgroup.WithContext(command.Context())
	group.Go(func() error {
		defer listener.close()
		return site.Run(ctx, config)
	})
	group.Go(func() error { return listener.wait(ctx) })
	if err := explainExport(noFeed(command, name, group.Wait())); err != nil {
		return err
	}
	return f.report(command, progress)
}

// openLog opens the log, and waits for a database that is not available for as long as a round of the
// export does.
func (f *exportFlags) openLog(ctx context.Context, logger *slog.Logger) (log *store.Log, err error) {
	waiting := ctx
	if f.patience >= 0 {
		var cancel func()
		waiting, cancel = context.WithTimeout(ctx, f.patience)
		defer cancel()
	}
	err = awaitDatabase(waiting, logger, func() (err error) {
		log, err = openLog(ctx, *f.db, false)
		return err
	})
	return log, err
}

// check returns the name of the feed, empty for all.
func (f *exportFlags) check(command *cobra.Command, arguments []string) (name string, err error) {
	flags := command.Flags()
	switch {
	case f.all && len(arguments) > 0:
		return "", cli.Usage("--all: exports every feed; omit the name %s", arguments[0])
	case !f.all && len(arguments) == 0:
		return "", cli.Usage("requires the name of a feed, or --all")
	case flags.Changed("interval") && !f.follow:
		return "", cli.Usage("--interval: requires --follow")
	case f.interval <= 0:
		return "", cli.Usage("--interval %v: must be positive", f.interval)
	case f.patience < 0:
		return "", cli.Usage("--patience %v: must not be negative", f.patience)
	}
	if f.patience == 0 || f.follow && !flags.Changed("patience") {
		f.patience = -1
	}
	if len(arguments) > 0 {
		name = arguments[0]
		if err := store.CheckName(name); err != nil {
			return "", cli.Usage("%w", err)
		}
	}
	if err := f.listen.check(command.Context(), f.follow); err != nil {
		return "", err
	}
	return name, f.site.check()
}

// explainExport gives an error its status and the next step.
func explainExport(err error) error {
	if history, is := errors.AsType[*site.HistoryError](err); is {
		return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: history.Next}
	}
	if operator, is := errors.AsType[*site.OperatorError](err); is {
		status := cli.StatusFailed
		if operator.Usage {
			status = cli.StatusUsage
		}
		return &cli.StatusError{Status: status, Err: err, Next: operator.Next}
	}
	return err
}

// report prints what the site has.
func (f *exportFlags) report(command *cobra.Command, progress *site.Progress) error {
	for _, p := range progress.Feeds() {
		_, err := terminal.Fprintf(command.OutOrStdout(), "%s: position %d, archives %d; documents written: %d\n", p.Feed, p.Position, p.Archives, p.Written)
		if err != nil {
			return err
		}
	}
	return nil
}
