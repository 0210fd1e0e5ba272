package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/terminal"
)

func openCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "open NAME",
		Short: "Give the events of a held feed their positions from now on",
		Long: `Open a feed that was made with create --held: from now on its events get their
positions, in the order in which they were appended, and are published. That
cannot be undone. A feed that is open stays as it is.`,
		Example: `  feedserver create orders --held
  feedserver append orders history.ndjson.gz
  feedserver open orders`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
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
