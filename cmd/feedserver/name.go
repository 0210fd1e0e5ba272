package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/nearest"
	"github.com/eventfeed/eventfeed/internal/store"
)

// feedArgument lets a command run only if its first argument can name a feed,
// and says how one is made where there is none of that name.
func feedArgument(command *cobra.Command) {
	run := command.RunE
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if err := store.CheckName(arguments[0]); err != nil {
			return cli.Usage("%w", err)
		}
		err := run(command, arguments)
		if errors.Is(err, store.ErrNoFeed) {
			err = fmt.Errorf("%w%s", err, nearest.Question(arguments[0], feedNames(command)))
			return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "list the feeds of this database with: feedserver list; create one with: feedserver create " +
				arguments[0] + "; each with the same --db"}
		}
		return err
	}
}

// feedNames are the names of the feeds in a command's database; none where they
// cannot be read.
func feedNames(command *cobra.Command) (names []string) {
	log, err := openLog(command.Context(), command.Flag("db").Value.String(), false)
	if err != nil {
		return nil
	}
	defer log.Close()
	feeds, err := log.Feeds(command.Context())
	if err != nil {
		return nil
	}
	for i := range feeds {
		names = append(names, feeds[i].Name)
	}
	return names
}
