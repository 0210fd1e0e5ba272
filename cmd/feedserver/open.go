package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func openCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "open NAME",
		Short: "Start publishing a held feed",
		Long: `Start publishing a feed that was created with --held: its events get their positions, in the
order in which they were appended. You cannot undo this; a feed that is open already stays as it is.`,
		Example: `  feedserver create orders --held
  feedserver append orders history.ndjson.gz
  feedserver open orders`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	cli.HelpEnd(command, "See docs/commands.md#feedserver-open.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		f, err := log.Open(command.Context(), arguments[0])
		if err != nil {
			return err
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "feed %s is open\n", f.Name)
		return err
	}
	feedArgument(command)
	return command
}
