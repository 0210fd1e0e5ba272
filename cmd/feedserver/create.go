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
		Args:  cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	var f store.Feed
	command.Flags().StringVar(&f.Title, "title", "", "title for people; default is the name")
	command.Flags().StringVar(&f.Author, "author", "", "who publishes it; default is the name")
	command.Flags().IntVar(&f.PageSize, "page-size", feed.DefaultPageSize, "events on a page; cannot be changed later")
	command.Flags().IntVar(&f.PageBytes, "page-bytes", feed.DefaultPageBytes, "bytes of events on a page; cannot be changed later")
	command.Flags().BoolVar(&f.Held, "held", false, "keep its events from being published until: feedserver open NAME")
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
		if err != nil {
			return err
		}
		held := ""
		if created.Held {
			held = ", held until: feedserver open " + created.Name
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "feed %s created: %s%s\n", created.Name, created.ID, held)
		return err
	}
	return command
}
