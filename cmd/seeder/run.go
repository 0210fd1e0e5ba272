package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

func runCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "run --from URL --into URL",
		Short: "Read feeds into a database, from the last checkpoint on",
		Long: `Read feeds into a database: every event, in order, exactly once. A run starts after the last event that
was applied, and ends at the end of the feed; with --follow it continues until you stop it.`,
		Example: `  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db
  seeder run --from https://shop.example.org/feeds/orders --into postgres://shipping@localhost/shipping --follow
  seeder run --from https://shop.example.org/feeds/orders --into sqlite:shipping.db --projection shipping.sql`,
		Args: cobra.NoArgs,
	}
	flags := addRunFlags(command)
	cli.HelpEnd(command, `Without --projection, --exec or --publish, events go into the inbox: the view eventfeed_inbox.events (SQLite: eventfeed_inbox_events) shows them.
After a crash, run the same command again. Exit status 3: the feed fails verification, and nothing of the
inconsistent part was applied; 4: another seeder holds the consumer.
See docs/commands.md#seeder-run,
docs/projections.md, docs/exec.md, docs/brokers.md, docs/several-feeds.md, docs/parked-events.md and docs/foreign.md.`)
	command.RunE = func(command *cobra.Command, _ []string) (err error) {
		if err := flags.check(command); err != nil {
			return err
		}
		defer func() {
			if err != nil && flags.config.Follow {
				cli.LogSettings(command, cli.Logger(command.ErrOrStderr()))
			}
		}()
		watch := watchRun(command)
		defer watch.stop()
		closeAll, err := flags.open(command, watch)
		if err != nil {
			return err
		}
		defer closeAll()
		if err := run(command, flags.config, watch, flags.into, flags.sinks); err != nil {
			watch.leave()
			return err
		}
		return nil
	}
	return command
}

func run(command *cobra.Command, config seed.Config, watch *watch, into string, sinks *sinkFlags) error {
	config.Progress = func(p seed.Progress) { watch.update(p, config.Logger) }
	err := seed.Run(command.Context(), config)
	if command.Context().Err() != nil && (err == nil && !config.Follow || errors.Is(err, context.Canceled)) {
		return stopped(config, watch.last)
	}
	if err != nil {
		return withStatus(orPark(aboutProjection(explained(err, into), config, into, sinks), config), config.From[0], wayOn(err, config, into, sinks))
	}
	watch.stop() // before anything is printed
	if config.DryRun {
		if _, err := terminal.Fprintf(command.OutOrStdout(), "dry run: all that follows was rolled back\n"); err != nil {
			return err
		}
	}
	if err := sayParked(command.OutOrStdout(), watch.last, config, into); err != nil {
		return err
	}
	if config.Follow && command.Context().Err() != nil {
		if err := sayStopped(command.OutOrStdout(), watch.last, config); err != nil {
			return err
		}
	}
	return watch.report(command.OutOrStdout())
}

// sayStopped prints where a run with --follow was stopped before it reached the end of the history.
func sayStopped(out io.Writer, p seed.Progress, config seed.Config) error {
	for i := range p.Feeds {
		f := &p.Feeds[i]
		end := f.Head
		if config.Until > 0 {
			end = min(end, config.Until)
		}
		if p.Following || f.Position >= end {
			continue
		}
		if _, err := terminal.Fprintf(out, "%s: stopped at position %d of %d; the next run continues from there\n", f.Feed, f.Position, end); err != nil {
			return err
		}
	}
	return nil
}

// stopped returns the error of a run that was stopped before its end, without the error of the operation
// that was canceled.
func stopped(config seed.Config, p seed.Progress) error {
	err := &cli.StatusError{Status: cli.StatusFailed, Err: errors.New("stopped before the end of the feed" + reached(p)), Next: "run the same command again to continue from there"}
	if config.DryRun {
		err.Next = "everything was rolled back"
	}
	return err
}

// reached returns the position of each feed for an error; empty before anything was read.
func reached(p seed.Progress) string {
	var each []string
	for i := range p.Feeds {
		f := &p.Feeds[i]
		each = append(each, fmt.Sprintf("%s at position %d of %d", f.Feed, f.Position, f.Head))
	}
	if each == nil {
		return ""
	}
	return ": " + strings.Join(each, ", ")
}
