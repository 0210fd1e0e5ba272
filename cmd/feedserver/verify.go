package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/store"
)

func verifyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "verify NAME",
		Short: "Recompute a feed's digests from its events and compare every sealed page",
		Args:  cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	command.RunE = func(command *cobra.Command, arguments []string) error {
		log, err := openLog(command.Context(), *db, true)
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
		_, err = fmt.Fprintf(command.OutOrStdout(), "position %d digest %s\n", position, digest)
		return err
	}
	feedArgument(command)
	return command
}
