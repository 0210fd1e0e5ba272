package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/internal/walk"
)

const askPublisher = "open the URL that the error names, and ask whoever publishes the feed"

// openForeign opens a foreign feed. err is the error of reading it as one of eventfeed's own.
func openForeign(command *cobra.Command, client *walk.Client, from string, ignoreID bool, err error) (*foreign.Reader, error) {
	feed, parseErr := fetch.ParseURL(from)
	if parseErr != nil || client == nil {
		return nil, err
	}
	return foreign.Instead(command.Context(), foreign.Config{
		Client: client.Client, URL: feed, IgnoreID: ignoreID, Logger: cli.Logger(command.ErrOrStderr()),
	}, err)
}

// inspectedForeign is a foreign feed as inspect --json shows it.
type inspectedForeign struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Title   string     `json:"title"`
	Kind    string     `json:"kind"`
	Entries int        `json:"entries"` // in its own document
	Updated *time.Time `json:"updated,omitempty"`
	Warning string     `json:"warning,omitempty"`
}

func inspectForeign(command *cobra.Command, reader *foreign.Reader, asJSON bool) error {
	feed := inspectedForeign{
		ID: reader.ID, Name: reader.Name, Title: reader.Title, Kind: string(reader.Kind),
		Entries: len(reader.Events()), Warning: reader.Kind.Warning(),
	}
	updated := "it does not say"
	if at := reader.Updated(); !at.IsZero() {
		feed.Updated, updated = &at, cloudevents.FormatTime(at)
	}
	if asJSON {
		return cli.PrintJSON(command.OutOrStdout(), feed)
	}
	table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"name", feed.Name}, {"title", feed.Title}, {"id", feed.ID}, {"kind", feed.Kind + ", not served by eventfeed"},
		{"entries", fmt.Sprintf("%d in its own document", feed.Entries)}, {"updated", updated}, {"warning", feed.Warning},
	} {
		if line[1] != "" {
			_, _ = terminal.Fprintf(table, "%s\t%s\n", line[0], line[1])
		}
	}
	return table.Flush()
}

// foreignSample samples the events of a foreign feed's own document. err is the error of reading it as
// one of eventfeed's own.
func foreignSample(command *cobra.Command, client *walk.Client, from string, err error) (*projection.Sample, error) {
	reader, err := openForeign(command, client, from, false, err)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	events := reader.Events()
	sample := &projection.Sample{Feed: reader.Name, ID: reader.ID, URL: reader.URL.Redacted(), Last: int64(len(events))}
	for _, e := range events {
		sample.Add(e)
	}
	return sample, nil
}

// verifyForeign reads all of a foreign feed, with a temporary memory.
func verifyForeign(command *cobra.Command, reader *foreign.Reader) (err error) {
	if err := reader.Recognize(command.Context(), nil); err != nil {
		return err
	}
	memory, forget, err := scratch(command.Context(), reader.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, forget()) }()
	reader.Use(memory)
	place := reader.Start()
	for run, err := range reader.Walk(command.Context(), place) {
		if err != nil {
			return err
		}
		place = run.To
	}
	_, err = terminal.Fprintf(command.OutOrStdout(), "position %d digest %s\n", place.Position, place.Digest)
	return err
}

// scratch returns a memory in a temporary folder, which forget removes.
func scratch(ctx context.Context, feedID string) (memory checkpoint.Memory, forget func() error, err error) {
	folder, err := os.MkdirTemp("", "eventfeed-verify-")
	if err != nil {
		return nil, nil, err
	}
	const consumer = "verify"
	session := checkpoint.Open(sqlite.Target{Path: filepath.Join(folder, "memory.db")}, false)
	forget = func() error {
		session.Close()
		return os.RemoveAll(folder)
	}
	err = session.Prepare(ctx)
	if err == nil {
		err = session.Claim(ctx, consumer)
	}
	if err != nil {
		return nil, nil, errors.Join(err, forget())
	}
	return session.Memory(consumer, feedID), forget, nil
}
