package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func entitiesCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "entities NAME",
		Short: "Give a feed entities: versions for the events of each subject",
		Long: `Give a feed entities: number the events of each subject 1, 2, 3 …, while services go on appending.
From then on an append can expect a version, and appends to one entity wait for one another.
You cannot undo this. Run it again if it was interrupted; it continues where it was.`,
		Example: `  feedserver entities orders
  feedserver entities orders --db postgres://feedserver@localhost/shop`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	cli.HelpEnd(command, "At its end no feed of the database can be appended to for a moment. It waits for transactions that have\nappended and are still open, and names them.\nSee docs/entities.md.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		return giveEntities(command, log, arguments[0], again(command, *db))
	}
	feedArgument(command)
	return command
}

// giveEntities shows how far the numbering is, every few seconds.
func giveEntities(command *cobra.Command, log *store.Log, name, database string) error {
	const every = 5 * time.Second
	shown, waiting := time.Now(), ""
	err := log.GiveEntities(command.Context(), name, func(at, last int64, waitsFor []string) {
		if now := strings.Join(waitsFor, "; "); now != "" && now != waiting {
			_, _ = terminal.Fprintf(command.ErrOrStderr(), "waiting for transactions that have appended: %s\n", now)
			waiting = now
		}
		if time.Since(shown) >= every && waitsFor == nil {
			_, _ = terminal.Fprintf(command.ErrOrStderr(), "numbered up to position %d of %d\n", at, last)
			shown = time.Now()
		}
	})
	switch {
	case errors.Is(err, store.ErrHeld):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "publish it first: feedserver open " + name + database}
	case errors.Is(err, context.Canceled):
		return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "continue with: feedserver entities " + name + database}
	case err != nil:
		return err
	}
	_, err = terminal.Fprintf(command.OutOrStdout(), "feed %s has entities: all its events have versions\n", name)
	return err
}
