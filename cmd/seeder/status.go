package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
)

// status is a checkpoint as status --json shows it.
type status struct {
	Consumer string    `json:"consumer"`
	Feed     string    `json:"feed"`
	FeedID   string    `json:"feed_id"`
	Epoch    string    `json:"epoch"`
	Position int64     `json:"position"`
	Digest   string    `json:"digest"`
	Updated  time.Time `json:"updated"`
}

func statusCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "status --into URL",
		Short: "Show how far each consumer in a database has got",
		Long: `Show the checkpoints in a database that is being filled: for each consumer and
feed the position of the last event that is in, the digest there, and when that
was. It may be asked while a seeder runs.`,
		Example: `  seeder status --into sqlite:shipping.db
  seeder status --into postgres://shipping@localhost/shipping --json`,
		Args: cobra.NoArgs,
	}
	into := command.Flags().String("into", "", "`URL` of the database that is being filled, sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	asJSON := command.Flags().Bool("json", false, "print a JSON array")
	command.RunE = func(command *cobra.Command, _ []string) error {
		found, err := checkpoints(command.Context(), *into)
		if err != nil {
			return explained(err, *into)
		}
		all := make([]status, 0, len(found))
		for _, c := range found {
			all = append(all, status{c.Consumer, c.Feed, c.FeedID, c.Epoch, c.Position, c.Digest.String(), c.Updated.UTC()})
		}
		if *asJSON {
			return cli.PrintJSON(command.OutOrStdout(), all)
		}
		table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(table, "CONSUMER\tFEED\tPOSITION\tUPDATED\tDIGEST")
		for _, s := range all {
			_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", s.Consumer, s.Feed, s.Position, s.Updated.Format(time.RFC3339), s.Digest)
		}
		return table.Flush()
	}
	return command
}
