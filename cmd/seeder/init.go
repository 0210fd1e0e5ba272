package main

import (
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

// defaultSample is the default number of pages that init reads.
const defaultSample = 12

func initCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "init --from URL",
		Short: "Write a projection file to start from",
		Long: `Write a projection to standard output: an SQL file, for seeder run --projection, that keeps the latest
state of each subject in a table of your own. It has a block for each type of the feed's events, with the
fields that a sample of its pages has.`,
		Example: `  seeder init --from http://127.0.0.1:8080/feeds/orders > shipping.sql
  seeder run --from http://127.0.0.1:8080/feeds/orders --into sqlite:shipping.db --projection shipping.sql --dry-run`,
		Args: cobra.NoArgs,
	}
	var from []string
	command.Flags().Var((*cli.URLs)(&from), "from", "`URL` of the feed; repeat the flag for several feeds")
	sample := command.Flags().Int64("sample", defaultSample, "`NUMBER` of pages to read of each feed: the oldest, the newest, and some between them")
	patience := patienceFlag(command, "retry an unavailable server for `DURATION`, such as 10m (default 1m)")
	network := networkFlags(command)
	cli.GroupFlags(command, "Feed: from sample patience", accessGroup, foreignGroup)
	cli.HelpEnd(command, "See docs/commands.md#seeder-init and docs/projections.md.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if len(from) == 0 {
			return cli.Usage("--from is missing: the URL of the feed")
		}
		if *sample < 1 {
			return cli.Usage("--sample %d: must be at least 1", *sample)
		}
		samples := make([]*projection.Sample, len(from))
		for i, url := range from {
			client, head, err := fetchHead(command, network, url, 1, patience.or(seed.DefaultPatience))
			if err == nil {
				samples[i], err = readSample(command, client, head, *sample)
			} else {
				samples[i], err = foreignSample(command, client, url, err)
			}
			if err != nil {
				return withStatus(err, url, lookAtServer)
			}
		}
		return projection.Skeleton(command.OutOrStdout(), samples...)
	}
	return command
}

// readSample reads some of a feed's archives, and its subscription document.
func readSample(command *cobra.Command, client *walk.Client, head *walk.Subscription, pages int64) (*projection.Sample, error) {
	sample := &projection.Sample{Feed: head.Name, ID: head.ID, URL: head.URL.Redacted(), Last: head.Last}
	read := int64(0) // the last position of the newest archive
	for _, number := range choosePages(head.Archives, pages) {
		d, err := client.Archive(command.Context(), head, number)
		if err != nil {
			return nil, err
		}
		for i := range d.Entries {
			sample.Add(&d.Entries[i].Event)
		}
		read = d.Last
	}
	for i := range head.Entries {
		if head.Entries[i].Position > read {
			sample.Add(&head.Entries[i].Event)
		}
	}
	return sample, addTypes(command, client, head, sample)
}

// choosePages chooses some of the archives 1 to last, in order: the newest one,
// then a third each of the oldest, the newest, and from those between them.
func choosePages(last, pages int64) []int64 {
	pages = min(last, pages)
	oldest := pages / 3
	newest := max(min(1, pages), pages/3)
	between := pages - oldest - newest
	var chosen []int64
	for number := range oldest {
		chosen = append(chosen, 1+number)
	}
	gap := last - oldest - newest
	for i := range between {
		chosen = append(chosen, oldest+1+(2*i+1)*gap/(2*between))
	}
	for number := range newest {
		chosen = append(chosen, last-newest+1+number)
	}
	return chosen
}
