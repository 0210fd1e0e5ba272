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
		Short: "Delete a consumer's checkpoint so that it starts over",
		Long: `Delete a consumer's checkpoint, its parked events, and its events in the inbox, in one transaction.
The next run starts at position 1. The command says what it will do and asks first.`,
		Example: `  seeder reset --into sqlite:shipping.db
  seeder reset --into postgres://shipping@localhost/shipping --consumer reports --yes`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	into := flags.String("into", "", "`URL` of the target database: sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	consumer := flags.String("consumer", seed.DefaultConsumer, "`NAME` of the consumer")
	undone := flags.Bool("undone", false, "confirm that you have undone what a projection, a program or a handler wrote")
	cli.Own(flags, "undone")
	yes := flags.Bool("yes", false, "do not ask")
	cli.HelpEnd(command, "It does not touch the tables of a projection: drop them first, or build a new projection beside the old\none (seeder run --schema NAME).\nSee docs/commands.md#seeder-reset and docs/projections.md.")
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
