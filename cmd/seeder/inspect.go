package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// inspected is a feed as inspect --json shows it.
type inspected struct {
	ID       string           `json:"id"`
	Name     string           `json:"name"`
	Title    string           `json:"title"`
	Author   string           `json:"author"`
	Updated  time.Time        `json:"updated"`
	Epoch    string           `json:"epoch"`
	Position int64            `json:"position"`
	Archives int64            `json:"archives"`
	Digest   string           `json:"digest"`
	Epochs   []inspectedEpoch `json:"epochs"`
}

type inspectedEpoch struct {
	ID            string `json:"id"`
	FirstPosition int64  `json:"first_position"`
	FirstPage     int64  `json:"first_page"`
}

func inspectCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "inspect URL",
		Short: "Show a feed's name, position, digest and epochs",
		Long: `Show what the server says of a feed: name, id, last position and digest, number of archive pages, and
epochs. For a feed not served by eventfeed: name, id, kind of feed, and what cannot be guaranteed for it.`,
		Example: `  seeder inspect http://127.0.0.1:8080/feeds/orders
  seeder inspect https://shop.example.org/feeds/orders --json`,
		Args: cobra.ExactArgs(1),
	}
	asJSON := command.Flags().Bool("json", false, "print a JSON object")
	patience := patienceFlag(command, "retry an unavailable server for `DURATION`, such as 10m (default 1m)")
	network := networkFlags(command)
	cli.GroupFlags(command, "Feed: json patience", accessGroup, foreignGroup)
	cli.HelpEnd(command, "It reads one document.\nSee docs/commands.md#seeder-inspect and docs/foreign.md.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		client, head, err := fetchHead(command, network, arguments[0], 1, patience.or(seed.DefaultPatience))
		if err != nil {
			reader, err := openForeign(command, client, arguments[0], false, err)
			if err == nil {
				defer reader.Close()
				return inspectForeign(command, reader, *asJSON)
			}
			return withStatus(err, arguments[0], lookAtServer)
		}
		feed := inspected{
			ID: head.ID, Name: head.Name, Title: head.Title, Author: head.Author, Updated: head.Updated,
			Epoch: head.Epochs[len(head.Epochs)-1].ID, Position: head.Last, Archives: head.Archives, Digest: head.DigestAfter.String(),
		}
		for _, e := range head.Epochs {
			feed.Epochs = append(feed.Epochs, inspectedEpoch{e.ID, e.FirstPosition, e.FirstPage})
		}
		if *asJSON {
			return cli.PrintJSON(command.OutOrStdout(), feed)
		}
		table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
		for _, line := range [][2]string{
			{"name", feed.Name}, {"title", feed.Title}, {"author", feed.Author}, {"id", feed.ID},
			{"position", fmt.Sprint(feed.Position)}, {"digest", feed.Digest},
			{"archives", fmt.Sprint(feed.Archives)}, {"updated", cloudevents.FormatTime(feed.Updated)},
		} {
			_, _ = terminal.Fprintf(table, "%s\t%s\n", line[0], line[1])
		}
		for _, e := range feed.Epochs {
			_, _ = terminal.Fprintf(table, "epoch\t%s from position %d\n", e.ID, e.FirstPosition)
		}
		return table.Flush()
	}
	return command
}
