package main

import (
	"errors"
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
		if errors.Is(err, store.ErrFeedExists) {
			return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "it is left as it is; append to it with: feedserver append " + f.Name}
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(command.OutOrStdout(), "feed %s created: %s\n", created.Name, created.ID)
		return err
	}
	return command
}
