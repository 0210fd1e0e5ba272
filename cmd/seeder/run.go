package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/seed"
)

func runCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run --from URL --into URL",
		Short: "Read feeds into a database, from where the last run ended",
		Long:  longRun,
		Example: `  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db
  seeder run --from https://shop.example.org/feeds/orders --into postgres://shipping@localhost/shipping --follow
  seeder run --from https://shop.example.org/feeds/orders --into postgres://shipping@localhost/shipping --projection shipping.sql
  seeder run --from https://shop.example.org/feeds/orders --from https://pay.example.org/feeds/payments --into sqlite:books.db
  seeder run --from https://shop.example.org/feeds/orders --into sqlite:mails.db --exec './mail-customers' --follow
  seeder run --from https://shop.example.org/feeds/orders --into sqlite:march.db --as-of 2024-03-01T00:00:00Z
  seeder run --config /etc/eventfeed.toml --consumer billing`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	var config seed.Config
	flags.Var((*cli.URLs)(&config.From), "from", "`URL` of the feed; given again and again for several feeds")
	into := flags.String("into", "", "`URL` of the database to fill, sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	flags.StringVar(&config.Consumer, "consumer", seed.DefaultConsumer, "`NAME` of the reader, where several fill one database")
	flags.BoolVar(&config.AddFeed, "add-feed", false, "let the consumer begin with a feed that it has not read so far")
	flags.Int64Var(&config.Until, "until", 0, "`POSITION` to stop at, with that event applied; of a single feed")
	asOf := flags.String("as-of", "", "`TIME` as of which to build the state, such as 2024-03-01T00:00:00Z: later events are left out")
	flags.Var((*onError)(&config.OnError), "on-error", "`WORD` for what to do with an event that cannot be applied: stop, or park it with all later events of its entity")
	flags.BoolVar(&config.DryRun, "dry-run", false, "check all and apply all in one transaction, and roll it back")
	flags.BoolVar(&config.Follow, "follow", false, "go on at the end of the feed, with what is new")
	flags.IntVar(&config.Prefetch, "prefetch", seed.DefaultPrefetch, "`NUMBER` of pages to fetch at once")
	sinks := addSinkFlags(command)
	sinks.addProgramFlag(command)
	wait := flags.Duration("wait", seed.DefaultWait, "`DURATION` that the server may hold a request of --follow, in seconds; 0 looks once a second instead")
	patience := patienceFlag(command, "`DURATION` to wait for a server or a database that is away, such as 10m; without it a minute, and with --follow without end")
	network := networkFlags(command)
	listen := addListenFlags(command)
	command.RunE = func(command *cobra.Command, _ []string) error {
		if len(config.From) == 0 {
			return cli.Usage("--from is missing: the URL of the feed")
		}
		for _, from := range config.From {
			if _, err := fetch.ParseURL(from); err != nil {
				return cli.Usage("--from: %w", err)
			}
		}
		var err error
		if config.AsOf, err = pointInTime(*asOf); err != nil {
			return err
		}
		if err := contradiction(command, config); err != nil {
			return err
		}
		if err := sinks.apply(command, &config); err != nil {
			return err
		}
		if config.Prefetch < 1 {
			return cli.Usage("--prefetch %d: must be at least 1", config.Prefetch)
		}
		if *wait < 0 || *wait%time.Second != 0 {
			return cli.Usage("--wait %s: must be whole seconds, 0 or more", *wait)
		}
		if err := listen.check(command); err != nil {
			return err
		}
		watch := watchRun(command)
		defer watch.stop()
		logger := cli.Logger(command.ErrOrStderr())
		if config.Follow {
			cli.LogSettings(command, logger)
		}
		target, closeTarget, err := sinks.target(command, *into, patience.or(programPatience(config.Follow)))
		if err != nil {
			return err
		}
		defer closeTarget()
		config.Into, config.Logger, config.Patience = target, logger, patience.or(0)
		if config.Wait = *wait; *wait == 0 {
			config.Wait = -1 // in a seed.Config 0 stands for the default
		}
		if err := network.configure(&config); err != nil {
			return err
		}
		standing, closeListener, err := listen.open(&config, logger)
		if err != nil {
			return err
		}
		defer closeListener()
		watch.standing = standing
		return run(command, config, watch, *into)
	}
	return command
}

// programPatience is for how long a program that fails is started again where
// nothing was said.
func programPatience(follow bool) time.Duration {
	if follow {
		return -1
	}
	return seed.DefaultPatience
}

// pointInTime reads the value of --as-of.
func pointInTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := event.ParseTime(text)
	if err != nil {
		return at, cli.Usage("--as-of %q: must be a time with its offset, such as 2024-03-01T00:00:00Z", text)
	}
	return at, nil
}

// contradiction finds flags that cannot go together.
func contradiction(command *cobra.Command, config seed.Config) error {
	switch {
	case config.Until < 0, config.Until == 0 && command.Flags().Changed("until"):
		return cli.Usage("--until %d: must be a position, 1 or more", config.Until)
	case config.Until > 0 && len(config.From) > 1:
		return cli.Usage("--until: is a position of one feed, not of %d", len(config.From))
	case !config.AsOf.IsZero() && config.Follow:
		return cli.Usage("--as-of: the state as of a point in time cannot be followed; leave out --follow")
	case !config.AsOf.IsZero() && config.Until > 0:
		return cli.Usage("--as-of and --until: only one of them can be where to stop")
	case config.DryRun && config.Follow:
		return cli.Usage("--dry-run: ends at the end of the feed; leave out --follow")
	}
	return nil
}

func run(command *cobra.Command, config seed.Config, watch *watch, into string) error {
	config.Progress = func(p seed.Progress) { watch.update(p, config.Logger) }
	err := seed.Run(command.Context(), config)
	if command.Context().Err() != nil && (err == nil && !config.Follow || errors.Is(err, context.Canceled)) {
		return stopped(config)
	}
	if err != nil {
		return withStatus(orPark(explained(err, into), config), config.From[0], wayOn(err, config, into))
	}
	watch.stop() // before anything is printed
	if config.DryRun {
		if _, err := fmt.Fprintln(command.OutOrStdout(), "dry run: all that follows was rolled back"); err != nil {
			return err
		}
	}
	if err := sayParked(command.OutOrStdout(), watch.last, config, into); err != nil {
		return err
	}
	return watch.report(command.OutOrStdout())
}

// stopped is the error of a run that was asked to end before its end. What was
// broken off is nobody's fault.
func stopped(config seed.Config) error {
	err := &cli.StatusError{Status: cli.StatusFailed, Err: errors.New("stopped before the end of the feed"), Next: "run the same command again to go on from there"}
	if config.DryRun {
		err.Next = "nothing of it was kept"
	}
	return err
}
