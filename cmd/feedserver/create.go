package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
)

func createCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a feed, and the tables for it where they are missing",
		Long: `Make a feed: one named history of events, empty at first. The tables for it are
made too where they are missing, and an SQLite file. NAME becomes a part of the
feed's URL: 1 to 63 characters of a-z, 0-9, '.', '_' and '-', the first a letter
or a digit.

On PostgreSQL the user needs the right to create a schema in the database. A
feed that is there already is left as it is, with status 1.`,
		Example: `  feedserver create orders
  feedserver create orders --db postgres://shop@localhost/shop --title 'All orders' --author 'The shop'
  feedserver create clicks --page-size 2000 --page-bytes 1048576`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	var f store.Feed
	command.Flags().StringVar(&f.Title, "title", "", "title for people, any `TEXT`; default is the name")
	command.Flags().StringVar(&f.Author, "author", "", "`NAME` of who publishes it; default is the feed's name")
	command.Flags().IntVar(&f.PageSize, "page-size", feed.DefaultPageSize, "largest `NUMBER` of events on a page; cannot be changed later")
	command.Flags().IntVar(&f.PageBytes, "page-bytes", feed.DefaultPageBytes, "most `BYTES` of events on a page; cannot be changed later")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		f.Name = arguments[0]
		if err := f.Check(); err != nil {
			return cli.Usage("%w", err)
		}
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		created, err := log.Create(command.Context(), f)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "feed %s created: %s\n", created.Name, created.ID)
		return err
	}
	return command
}
