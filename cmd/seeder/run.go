package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

// logInterval is how often a run says how far it is.
const logInterval = 5 * time.Second

func runCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run --from URL --into URL",
		Short: "Read a feed into a database, from where the last run ended",
		Long: `Read a feed into a database: every event, in order, exactly once. It begins
after the last event that is in, and ends at the end of the feed as it was when
it began; with --follow it goes on until it is stopped.

The events go into the table eventfeed_inbox.events (PostgreSQL) or
eventfeed_inbox_events (SQLite), in the transaction that moves the checkpoint
on. After a crash run the same command again.`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	var config seed.Config
	flags.StringVar(&config.From, "from", "", "URL of the feed")
	into := flags.String("into", "", "database to fill, sqlite:PATH or postgres://…")
	flags.StringVar(&config.Consumer, "consumer", seed.DefaultConsumer, "name of the reader, where several fill one database")
	flags.BoolVar(&config.Follow, "follow", false, "go on at the end of the feed, with what is new")
	flags.IntVar(&config.Prefetch, "prefetch", seed.DefaultPrefetch, "pages to fetch at once")
	command.RunE = func(command *cobra.Command, _ []string) (err error) {
		if config.From == "" {
			return cli.Usage("--from is missing: the URL of the feed")
		}
		if _, err := walk.ParseURL(config.From); err != nil {
			return cli.Usage("--from: %w", err)
		}
		if config.Prefetch < 1 {
			return cli.Usage("--prefetch %d: must be at least 1", config.Prefetch)
		}
		target, closeTarget, err := openTarget(command.Context(), *into)
		if err != nil {
			return err
		}
		defer closeTarget()
		config.Into, config.Logger = target, cli.Logger(command.ErrOrStderr())
		return run(command, config, *into)
	}
	return command
}

func run(command *cobra.Command, config seed.Config, into string) error {
	var last seed.Progress
	start := time.Now()
	lastLog := start
	config.Progress = func(p seed.Progress) {
		last = p
		if time.Since(lastLog) >= logInterval && p.Position < p.Head {
			lastLog = time.Now()
			config.Logger.Info("seeding", "feed", p.Feed, "position", p.Position, "of", p.Head,
				"events/s", int64(float64(p.Applied)/time.Since(start).Seconds()))
		}
	}
	err := seed.Run(command.Context(), config)
	if err == nil && command.Context().Err() != nil && !config.Follow {
		err = context.Canceled
	}
	if err != nil {
		return withStatus(err, wayOn(err, config, into, lookAtFeed(config)))
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "%s: %d events applied %s\nposition %d digest %s\n",
		last.Feed, last.Applied, cli.Pace(last.Applied, time.Since(start)), last.Position, last.Digest)
	return err
}
