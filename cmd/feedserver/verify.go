package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func verifyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "verify NAME",
		Short: "Verify a feed's log against its digests",
		Long: `Verify a feed's log: recompute the digest of every event, and compare it and every sealed page with
what is stored. It reads everything and changes nothing, also while a server runs.`,
		Example: `  feedserver verify orders
  feedserver verify orders --db postgres://feedserver@localhost/shop`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	cli.HelpEnd(command, "The last line is the feed's position and digest; seeder verify prints the same.\nExit status 3: the log fails verification; the error says where.\nSee docs/commands.md#feedserver-verify.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		position, digest, err := log.Verify(command.Context(), arguments[0])
		if errors.Is(err, store.ErrDoesNotAddUp) {
			return &cli.StatusError{Status: cli.StatusMismatch, Err: err,
				Next: "restore the database from a backup; then, before you start a server on it: feedserver new-epoch " + arguments[0]}
		}
		if errors.Is(err, store.ErrSnapshot) {
			return &cli.StatusError{Status: cli.StatusMismatch, Err: err, Next: "the events are as they should be; delete this row of the table of snapshots, which is a cache"}
		}
		if err != nil {
			return err
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "position %d digest %s\n", position, digest)
		return err
	}
	feedArgument(command)
	return command
}
