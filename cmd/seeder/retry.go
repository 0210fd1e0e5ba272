package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

func retryCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "retry --into URL",
		Short: "Apply parked events after their cause is fixed",
		Long: `Apply the events that "seeder run --on-error park" has parked, in the order of each entity, up to the
first event that still cannot be applied. Applied events are removed from the parked ones.`,
		Example: `  seeder retry --into sqlite:shipping.db
  seeder retry --into sqlite:shipping.db --projection shipping.sql --accept-projection
  seeder retry --into postgres://shipping@localhost/shipping --consumer reports --feed orders --subject 4711`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	var config seed.Config
	var of seed.ParkedFilter
	into := flags.String("into", "", "`URL` of the target database: sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	flags.StringVar(&config.Consumer, "consumer", seed.DefaultConsumer, "`NAME` of the consumer")
	shelfFlags(command, &of)
	sinks := addSinkFlags(command)
	flags.BoolVar(&config.DryRun, "dry-run", false, "apply them in one transaction, then roll it back")
	cli.GroupFlags(command, "Database and consumer: into consumer dry-run", "Only some events: feed subject",
		"Projection, as the run has it (default: the inbox): projection schema strict accept-projection")
	cli.HelpEnd(command, "Stop the consumer's seeder first. To fix the projection itself, add --accept-projection.\nExit status 1: some events are still parked, and are listed with their errors; 4: a seeder holds the consumer.\nSee docs/commands.md#seeder-retry and docs/parked-events.md.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := sinks.apply(command, &config); err != nil {
			return err
		}
		target, closeTarget, err := sinks.target(command, *into, 0)
		if err != nil {
			return err
		}
		defer closeTarget()
		done, err := seed.Retry(command.Context(), target, config.Consumer, seed.RetryOptions{
			Feed: of.Feed, Subject: of.Subject, DryRun: config.DryRun, AcceptProjection: config.AcceptProjection, Logger: cli.Logger(command.ErrOrStderr()),
		})
		if err != nil {
			if done.Applied > 0 {
				err = fmt.Errorf("%s applied, then: %w", cli.Events(done.Applied), err)
			}
			err = withStatus(aboutProjection(explained(err, *into), config, *into, nil), "", "")
			if failed, is := errors.AsType[*cli.StatusError](err); is && errors.Is(err, refused.ErrSink) {
				failed.Next = "use the same --projection and --schema as seeder run, or neither if its sink is the inbox"
			}
			return err
		}
		return sayRetried(command.OutOrStdout(), done, config, *into)
	}
	return command
}

func sayRetried(out io.Writer, done seed.Retried, config seed.Config, into string) error {
	_, err := terminal.Fprintf(out, "%s\n", describeRetried(done, config.DryRun))
	if err != nil || done.Left == 0 {
		return err
	}
	for _, p := range done.Failed {
		about := ""
		if p.Subject != "" {
			about = ", subject " + p.Subject
		}
		if _, err := terminal.Fprintf(out, "feed %s, position %d (event %s%s): %s\n", p.Feed, p.Position, p.ID, about, oneLine(p.Error)); err != nil {
			return err
		}
	}
	verb := "are"
	if done.Left == 1 {
		verb = "is"
	}
	return &cli.StatusError{Status: cli.StatusFailed, Err: fmt.Errorf("%s %s still parked", cli.Events(done.Left), verb),
		Next: "fix the causes, then run the same command again; list all parked events with: " + parkedLine(config, into)}
}

func describeRetried(done seed.Retried, dryRun bool) string {
	of, others := "", ""
	if done.Others > 0 {
		of, others = " of these", fmt.Sprintf(", %d of others", done.Others)
	}
	if dryRun {
		return fmt.Sprintf("a dry run: %s could be applied, %d%s would stay parked%s; all was rolled back", cli.Events(done.Applied), done.Left, of, others)
	}
	return fmt.Sprintf("%s applied, %d%s still parked%s", cli.Events(done.Applied), done.Left, of, others)
}
