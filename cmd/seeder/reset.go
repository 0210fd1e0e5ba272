package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

func resetCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "reset --into URL",
		Short: "Forget how far a consumer has got, so that it starts over",
		Long: `Delete a consumer's checkpoint, its parked events ("seeder parked"), and all of
its events in the inbox, in one transaction. The next run begins at position 1.

What a projection, a program or a handler wrote stays as it is. Drop the tables
of a projection first, or empty what a program fills, and say so with --undone;
or build a projection anew beside the old one, without a reset: with --schema
NAME (PostgreSQL) or into another file (SQLite).

What will be done is said first, and asked for; --yes goes on without asking.`,
		Example: `  seeder reset --into sqlite:shipping.db
  seeder reset --into postgres://shipping@localhost/shipping --consumer reports --yes`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	into := flags.String("into", "", "database `URL` that is being filled, sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	consumer := flags.String("consumer", seed.DefaultConsumer, "`NAME` of the reader")
	undone := flags.Bool("undone", false, "what a projection, a program or a handler wrote for those events is undone")
	cli.Own(flags, "undone")
	yes := flags.Bool("yes", false, "go on without asking")
	command.RunE = func(command *cobra.Command, _ []string) error {
		target, closeTarget, err := openTarget(command.Context(), *into)
		if err != nil {
			return err
		}
		defer closeTarget()
		err = seed.Reset(command.Context(), target, *consumer, *undone, func(changes []seed.Change) error {
			return confirm(command, changes, *yes)
		})
		if err != nil {
			return withStatus(orUndone(explained(err, *into)), "", "")
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "done; seeder run starts over\n")
		return err
	}
	return command
}
