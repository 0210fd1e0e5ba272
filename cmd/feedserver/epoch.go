package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func newEpochCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "new-epoch NAME",
		Short: "Start a new epoch after a restore that may have lost events",
		Long: `Start a new epoch at the end of a feed, so that consumers that have read lost events notice the loss.
Run it after a restore that the server cannot detect, and before you start the server again.`,
		Example: `  feedserver new-epoch orders --db sqlite:shop.db --reason 'backup of May 3 restored'`,
		Args:    cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	reason := command.Flags().String("reason", "by hand", "reason to record with the epoch, any `TEXT`")
	cli.HelpEnd(command, "The server cannot detect that a PostgreSQL data directory was copied back, or that an SQLite file was\nrestored from a backup.\nSee docs/commands.md#feedserver-new-epoch and docs/operations.md.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		if err := log.NewEpoch(command.Context(), arguments[0], *reason); err != nil {
			return err
		}
		f, err := log.Feed(command.Context(), arguments[0])
		if err != nil {
			return err
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "feed %s: epoch %s starts at position %d\n", f.Name, f.Epoch(), f.Position+1)
		return err
	}
	feedArgument(command)
	return command
}
