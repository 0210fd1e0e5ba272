package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// shownStatus is a status as status --json shows it.
type shownStatus struct {
	Consumer      string     `json:"consumer"`
	Feed          string     `json:"feed"`
	FeedID        string     `json:"feed_id"`
	URL           string     `json:"url"`
	Epoch         string     `json:"epoch"`
	Position      int64      `json:"position"`
	BehindEvents  *int64     `json:"behind_events"`
	BehindSeconds *float64   `json:"behind_seconds"`
	State         string     `json:"state"`
	HeldBy        *string    `json:"held_by"`
	HeldSince     *time.Time `json:"held_since"`
	Sink          string     `json:"sink"`
	PublishesTo   string     `json:"publishes_to"`
	Generation    int64      `json:"generation"`
	Projection    string     `json:"projection"`
	Schema        string     `json:"schema"`
	AsOf          *time.Time `json:"as_of"`
	SeedEnd       int64      `json:"seed_end"`
	Skipped       int64      `json:"skipped"`
	LeftOut       int64      `json:"left_out"`
	Parked        int64      `json:"parked"`
	Updated       *time.Time `json:"updated"`
	Digest        string     `json:"digest"`
}

func printJSON(w io.Writer, all []lag.Reader) error {
	shown := make([]shownStatus, 0, len(all))
	for i := range all {
		s := &all[i]
		one := shownStatus{
			Consumer: s.Consumer.Name, Feed: s.Feed, FeedID: s.FeedID, URL: s.URL, Epoch: s.Epoch, Position: s.Position,
			State: s.State(), Sink: s.Consumer.Sink, PublishesTo: s.Consumer.PublishesTo, Generation: s.Generation, Projection: s.Consumer.Projection, Schema: s.Consumer.Schema,
			SeedEnd: s.SeedEnd, Skipped: s.Skipped, LeftOut: s.LeftOut, Parked: s.Parked,
			Digest: s.Digest.String(),
		}
		if !s.Updated.IsZero() {
			updated := s.Updated.UTC()
			one.Updated = &updated
		}
		if s.Unknown == nil {
			seconds := math.Round(s.Lag.For(s.Now).Seconds()*1000) / 1000
			one.BehindEvents, one.BehindSeconds = &s.Lag.Events, &seconds
		}
		if s.Held {
			since := s.Consumer.HeldSince.UTC()
			one.HeldBy, one.HeldSince = &s.Consumer.HeldBy, &since
		}
		if !s.Consumer.AsOf.IsZero() {
			one.AsOf = &s.Consumer.AsOf
		}
		shown = append(shown, one)
	}
	return cli.PrintJSON(w, shown)
}

func printTable(w io.Writer, all []lag.Reader) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(table, "CONSUMER\tFEED\tPOSITION\tBEHIND\tSTATE\tHELD BY\tSINK\tSKIPPED\tLEFT OUT\tPARKED\tUPDATED\tDIGEST\n")
	for i := range all {
		s := &all[i]
		holder, updated := "-", "-"
		if s.Held {
			holder = s.Consumer.HeldBy
		}
		if !s.Updated.IsZero() {
			updated = s.Updated.UTC().Format(time.RFC3339)
		}
		_, _ = terminal.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n",
			s.Consumer.Name, s.Feed, s.Position, s.Behind(), s.State(), holder, sinkOf(&s.Consumer, s.Generation),
			s.Skipped, s.LeftOut, s.Parked, updated, s.Digest)
	}
	return table.Flush()
}

// sinkOf returns the kind and the name of a consumer's sink, and the generation of a publisher.
func sinkOf(c *checkpoint.Consumer, generation int64) string {
	sink := c.Sink
	switch {
	case sink == "":
		sink = "?"
	case c.PublishesTo != "":
		sink += fmt.Sprintf(" to %s, generation %d", c.PublishesTo, generation)
	case c.Projection != "":
		sink += " " + c.Projection
	}
	if c.Schema != "" {
		sink += " in " + c.Schema
	}
	if !c.AsOf.IsZero() {
		sink += ", as of " + cloudevents.FormatTime(c.AsOf)
	}
	return sink
}

// warnOfUnknown prints why the table has a "?".
func warnOfUnknown(command *cobra.Command, all []lag.Reader) {
	warn := func(s *lag.Reader, err error) {
		_, _ = terminal.Fprintf(command.ErrOrStderr(), "seeder: warning: consumer %s of feed %s: %s\n", s.Consumer.Name, s.Feed, err)
	}
	for i := range all {
		s := &all[i]
		if s.Unknown != nil && !errors.Is(s.Unknown, lag.ErrNotAsked) {
			warn(s, s.Unknown)
		}
		if s.HeldErr != nil && !errors.Is(s.HeldErr, checkpoint.ErrHolderUnknown) {
			warn(s, fmt.Errorf("cannot determine whether a seeder runs: %w", s.HeldErr))
		}
	}
}
