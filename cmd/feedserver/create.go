package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func createCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a feed, and the tables for it where they are missing",
		Long: `Make a feed: one named history of events, empty at first. The tables for it are
made too where they are missing, and an SQLite file. NAME becomes a part of the
feed's URL: 1 to 63 characters of a-z, 0-9, '.', '_' and '-', the first a letter
or a digit.

On PostgreSQL the user needs the right to create a schema in the database, or
feedserver migrate has been run by one who has it. A feed that is there already
is left as it is, with status 1, or 0 with --if-missing.

The events of a feed that is made with --held stay unpublished until feedserver
open: for a history that is imported first, in several steps.`,

		Example: `  feedserver create orders
  feedserver create orders --db postgres://feedserver@localhost/shop --title 'All orders' --author 'The shop'
  feedserver create clicks --page-size 2000 --page-bytes 1048576`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	var f store.Feed
	command.Flags().StringVar(&f.Title, "title", "", "title for people, any `TEXT`; default is the name")
	command.Flags().StringVar(&f.Author, "author", "", "`NAME` of who publishes it; default is the feed's name")
	command.Flags().IntVar(&f.PageSize, "page-size", feed.DefaultPageSize, "largest `NUMBER` of events on a page; cannot be changed later")
	command.Flags().IntVar(&f.PageBytes, "page-bytes", feed.DefaultPageBytes, "most `BYTES` of events on a page; cannot be changed later")
	command.Flags().BoolVar(&f.Held, "held", false, "keep its events from being published until: feedserver open NAME")
	ifMissing := command.Flags().Bool("if-missing", false, "be content with a feed of that name that is there already")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		f.Name = arguments[0]
		if err := f.Check(); err != nil {
			return cli.Usage("%w", err)
		}
		log, err := openLog(command.Context(), *db, true)
		if err != nil {
			return err
		}
		defer log.Close()
		created, err := log.Create(command.Context(), f)
		if errors.Is(err, store.ErrFeedExists) && *ifMissing {
			_, err = terminal.Fprintf(command.OutOrStdout(), "feed %s is there already\n", f.Name)
			return err
		}
		if errors.Is(err, store.ErrFeedExists) {
			return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "it is left as it is; append to it with: feedserver append " + f.Name + again(command, *db)}
		}
		if err != nil {
			return err
		}
		held := ""
		if created.Held {
			held = ", held until: feedserver open " + created.Name
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "feed %s created: %s%s\n", created.Name, created.ID, held)
		return err
	}
	return command
}

// again is the flag of the database as it was given, to be copied to a shell.
func again(command *cobra.Command, db string) string {
	if !cli.Given(command, "db") {
		return ""
	}
	return " --db " + cli.Quote(cli.Redact(db))
}
