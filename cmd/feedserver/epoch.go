package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

func newEpochCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "new-epoch NAME",
		Short: "Say that a feed may have lost the end of its history, after a restore",
		Long: `Start a new epoch at the end of a feed, so that readers who have seen events
that are gone notice it. On PostgreSQL the server does this by itself after a
promotion, a restored dump, or a base backup that was started with
recovery.signal. A data directory that was merely copied back, or an SQLite
file from a backup, cannot be told from the original: run this before the
server is started on it.`,
		Example: `  feedserver new-epoch orders --db sqlite:shop.db --reason 'backup of May 3 restored'`,
		Args:    cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	reason := command.Flags().String("reason", "by hand", "why, any `TEXT`, for the record")
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
