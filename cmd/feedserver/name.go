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
		return noFeed(command, arguments[0], run(command, arguments))
	}
}

// noFeed says more of an error for a name that no feed has, and leaves others.
func noFeed(command *cobra.Command, name string, err error) error {
	if !errors.Is(err, store.ErrNoFeed) {
		return err
	}
	return &cli.StatusError{
		Status: cli.StatusFailed, Err: fmt.Errorf("%w%s", err, nearest.Question(name, feedNames(command))),
		Next: "list the feeds of this database with: feedserver list; create one with: feedserver create " + name + "; each with the same --db",
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
