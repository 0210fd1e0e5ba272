package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

func verifyCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "verify --from URL",
		Short: "Verify a feed without applying it",
		Long: `Verify a feed from its first event to its end: check every page and every digest, without a database.
The last line is the feed's position and digest; feedserver verify prints the same.`,
		Example: `  seeder verify --from http://127.0.0.1:8080/feeds/orders
  seeder verify --from https://shop.example.org/feeds/orders --prefetch 4`,
		Args: cobra.NoArgs,
	}
	from := command.Flags().String("from", "", "`URL` of the feed")
	prefetch := command.Flags().Int("prefetch", seed.DefaultPrefetch, "`NUMBER` of pages to fetch in parallel at most")
	ignoreID := command.Flags().Bool("ignore-feed-id", false, ignoreFeedID)
	patience := patienceFlag(command, "retry an unavailable server for `DURATION`, such as 10m (default 1m)")
	network := networkFlags(command)
	cli.GroupFlags(command, "Feed: from prefetch patience", accessGroup, "Feeds not served by eventfeed: ignore-feed-id max-document")
	cli.HelpEnd(command, "Exit status 3: the feed fails verification; the error names the URL and the position.\nSee docs/commands.md#seeder-verify.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if *from == "" {
			return cli.Usage("--from is missing: the URL of the feed")
		}
		client, head, err := fetchHead(command, network, *from, *prefetch, patience.or(seed.DefaultPatience))
		if err != nil {
			reader, err := openForeign(command, client, *from, *ignoreID, err)
			if err != nil {
				return withStatus(err, *from, lookAtServer)
			}
			defer reader.Close()
			return withStatus(verifyForeign(command, reader), *from, askPublisher)
		}
		place := head.Start()
		for run, err := range client.Walk(command.Context(), head, place, 1, *prefetch) {
			if err != nil {
				return withStatus(err, *from, lookAtServer)
			}
			place = run.To
			run.Done()
		}
		_, err = terminal.Fprintf(command.OutOrStdout(), "position %d digest %s\n", place.Position, place.Digest)
		return err
	}
	return command
}

const lookAtServer = "verify the log itself, where the feed is served, with: feedserver verify NAME"

// fetchHead fetches a feed's subscription document.
func fetchHead(command *cobra.Command, network *network, from string, connections int, patience time.Duration) (*walk.Client, *walk.Subscription, error) {
	feed, err := fetch.ParseURL(from)
	if err != nil {
		return nil, nil, cli.Usage("%w", err)
	}
	fetcher, err := network.fetcher(feed, seed.Config{
		Prefetch: connections, Patience: patience, Logger: cli.Logger(command.ErrOrStderr()),
	})
	if err != nil {
		return nil, nil, err
	}
	client := &walk.Client{Client: fetcher}
	head, err := client.Subscription(command.Context(), feed, "", false)
	return client, head, err
}
