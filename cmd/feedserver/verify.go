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
		Short: "Recompute a feed's digests from its events and compare every sealed page",
		Long: `Recompute the digests of all events of a feed and compare them, and the content
of every sealed page, with what is stored. It reads everything and changes
nothing; a server may be at work meanwhile. The last line printed is the feed's
position and digest, the same as that of seeder verify.

Exit status 3: the log does not add up; the error says where.`,
		Example: `  feedserver verify orders
  feedserver verify orders --db postgres://feedserver@localhost/shop`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		position, digest, err := log.Verify(command.Context(), arguments[0])
		if errors.Is(err, store.ErrDoesNotAddUp) {
			return &cli.StatusError{Status: cli.StatusMismatch, Err: err,
				Next: "restore the database from a backup; then, before it serves: feedserver new-epoch " + arguments[0]}
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
