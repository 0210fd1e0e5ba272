package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// listed is a feed as list --json shows it.
type listed struct {
	Name     string `json:"name"`
	ID       string `json:"id"`
	Title    string `json:"title"`
	Epoch    string `json:"epoch"`
	Position int64  `json:"position"`
	Digest   string `json:"digest"`
	Archives int64  `json:"archives"`
	Pending  int64  `json:"pending"`
	Held     bool   `json:"held"`
	Entities bool   `json:"entities"`
}

func (f *listed) state() string {
	if f.Held {
		return "held"
	}
	return "open"
}

func listCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "List the feeds with their last positions",
		Long: `List the feeds of a database: last position, number of sealed archive pages, and number of pending
events. Pending events are committed, but have no position yet; feedserver serve assigns positions.`,
		Example: `  feedserver list
  feedserver list --db postgres://feedserver@localhost/shop --json`,
		Args: cobra.NoArgs,
	}
	db := databaseFlag(command)
	asJSON := command.Flags().Bool("json", false, "print a JSON array")
	cli.HelpEnd(command, "See docs/commands.md#feedserver-list.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		all, err := list(command.Context(), log)
		if err != nil {
			return err
		}
		if *asJSON {
			return cli.PrintJSON(command.OutOrStdout(), all)
		}
		table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
		_, _ = terminal.Fprintf(table, "NAME\tSTATE\tPOSITION\tARCHIVES\tPENDING\tTITLE\n")
		for _, f := range all {
			_, _ = terminal.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%s\n", f.Name, f.state(), f.Position, f.Archives, f.Pending, f.Title)
		}
		return table.Flush()
	}
	return command
}

// list counts what is pending before it reads positions: nothing pending then
// means that the position takes in all that had been appended.
func list(ctx context.Context, log *store.Log) ([]listed, error) {
	feeds, err := log.Feeds(ctx)
	if err != nil {
		return nil, err
	}
	pending := make(map[int64]int64, len(feeds))
	for i := range feeds {
		if pending[feeds[i].Key], err = log.Pending(ctx, feeds[i].Key); err != nil {
			return nil, err
		}
	}
	if feeds, err = log.Feeds(ctx); err != nil {
		return nil, err
	}
	all := make([]listed, 0, len(feeds))
	for i := range feeds {
		f := &feeds[i]
		all = append(all, listed{f.Name, f.ID, f.Title, f.Epoch(), f.Position, f.Digest.String(), f.Archives, pending[f.Key], f.Held, f.Entities})
	}
	return all, nil
}
