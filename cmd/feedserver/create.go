package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func createCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a feed, and eventfeed's tables if they are missing",
		Long: `Create a feed: one named, ordered history of events, empty at first. The command also creates
eventfeed's tables, and the SQLite file, if they are missing.`,
		Example: `  feedserver create orders
  feedserver create orders --db postgres://feedserver@localhost/shop --title 'All orders' --if-missing
  feedserver create orders --entities
  feedserver create orders --held`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	var f store.Feed
	command.Flags().StringVar(&f.Title, "title", "", "`TEXT` that people see as the feed's title (default: its name)")
	command.Flags().StringVar(&f.Author, "author", "", "`NAME` of the publisher (default: the feed's name)")
	command.Flags().IntVar(&f.PageSize, "page-size", feed.DefaultPageSize, "maximum `NUMBER` of events on a page; cannot be changed later")
	command.Flags().IntVar(&f.PageBytes, "page-bytes", feed.DefaultPageBytes, "maximum `BYTES` of events on a page; cannot be changed later")
	command.Flags().BoolVar(&f.Held, "held", false, "publish no events until you run: feedserver open NAME")
	command.Flags().BoolVar(&f.Entities, "entities", false, "give the events of each subject versions; appends to one entity wait for one another")
	ifMissing := command.Flags().Bool("if-missing", false, "succeed if a feed of that name exists already")
	cli.GroupFlags(command, "Feed: db title author held entities if-missing", "Pages: page-size page-bytes")
	cli.HelpEnd(command, "NAME becomes a part of the feed's URL: 1 to 63 characters of a-z, 0-9, '.', '_' and '-'.\nSee docs/commands.md#feedserver-create and docs/getting-started.md.")
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
			there, err := log.Feed(command.Context(), f.Name)
			if err == nil && f.Entities && !there.Entities {
				err = &cli.StatusError{Status: cli.StatusFailed, Err: fmt.Errorf("feed %s exists already, without entities", f.Name),
					Next: "number its history with: feedserver entities " + f.Name + again(command, *db)}
			}
			if err != nil {
				return err
			}
			_, err = terminal.Fprintf(command.OutOrStdout(), "feed %s exists already\n", f.Name)
			return err
		}
		if errors.Is(err, store.ErrFeedExists) {
			return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "it was not changed; append to it with: feedserver append " + f.Name + again(command, *db)}
		}
		if err != nil {
			return err
		}
		held := ""
		if created.Held {
			held = ", held; publish it with: feedserver open " + created.Name
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
