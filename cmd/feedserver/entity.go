package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func entityCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "entity NAME SUBJECT",
		Short: "Show the events of an entity",
		Long: `Show the events of an entity, which are those with one subject: the oldest first, each with its version,
and then the snapshots that services have saved of its state.`,
		Example: `  feedserver entity orders o-1
  feedserver entity orders o-1 --version 7
  feedserver entity orders o-1 --as-of 2026-05-03T00:00:00Z
  feedserver entity orders o-1 --json | jq .data`,
		Args: cobra.ExactArgs(2),
	}
	db := databaseFlag(command)
	flags := command.Flags()
	version := flags.Int64("version", 0, "show the events up to version `N`")
	asOf := flags.String("as-of", "", "show only the events whose time is not after `TIME`, such as 2026-05-03T00:00:00Z")
	asJSON := flags.Bool("json", false, "print each event as a CloudEvent in JSON, one on each line")
	cli.GroupFlags(command, "What to show: version as-of", "Input and output: db json")
	cli.HelpEnd(command, "See docs/commands.md#feedserver-entity and docs/entities.md.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		switch {
		case flags.Changed("version") && *asOf != "":
			return cli.Usage("--version and --as-of: use only one of them")
		case flags.Changed("version") && *version < 1:
			return cli.Usage("--version %d: must be a version, 1 or more", *version)
		}
		show := shownEntity{command: command, subject: arguments[1], upTo: *version, asJSON: *asJSON}
		if *asOf != "" {
			var err error
			if show.asOf, err = cloudevents.ParseTime(*asOf); err != nil {
				return cli.Usage("--as-of %q: must be a time with its offset, such as 2026-05-03T00:00:00Z", *asOf)
			}
		}
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		show.log = log
		return show.run(arguments[0], again(command, *db))
	}
	feedArgument(command)
	return command
}

// shownEntity is an entity that the command shows.
type shownEntity struct {
	command *cobra.Command
	log     *store.Log
	subject string
	upTo    int64     // version; 0 means all
	asOf    time.Time // zero means all
	asJSON  bool
}

// run reads the entity's end, and then its events in batches: those that have a position never change.
// database is what a next command needs to name the same database.
func (s *shownEntity) run(name, database string) error {
	var f *store.Feed
	var end store.EntityEnd
	var snapshots []store.Snapshotted
	ctx := s.command.Context()
	err := s.log.ReadFeed(ctx, name, func(log store.Snapshot, now *store.Feed) (err error) {
		f = now
		f.Published = f.Position
		if end, err = store.ReadEntityEnd(ctx, log, f, s.subject); err == nil {
			snapshots, err = log.EntitySnapshots(ctx, f.Key, s.subject)
		}
		return err
	})
	if err == nil {
		err = s.check(f, &end, database)
	}
	if err != nil {
		return err
	}
	if s.upTo == 0 {
		s.upTo = end.Version
	}
	show := s.printTable
	if s.asJSON {
		show = s.printJSON
	}
	if err := show(ctx, f, &end, snapshots); err != nil {
		return err
	}
	if pending := end.Committed - end.Version; pending > 0 {
		_, err = terminal.Fprintf(s.command.ErrOrStderr(), "not shown: %s without a position yet; feedserver serve assigns positions\n", cli.Events(pending))
	}
	return err
}

// check returns an error if there is nothing to show.
func (s *shownEntity) check(f *store.Feed, end *store.EntityEnd, database string) error {
	failed := func(next, format string, arguments ...any) error {
		return &cli.StatusError{Status: cli.StatusFailed, Err: fmt.Errorf(format, arguments...), Next: next}
	}
	switch {
	case !f.Entities:
		return failed("number its events with: feedserver entities "+f.Name+database, "feed %s has no entities", f.Name)
	case end.Committed == 0:
		return failed("subjects are compared byte by byte, upper and lower case count", "feed %s has no events with the subject %q", f.Name, s.subject)
	case end.Version == 0 && f.Held:
		return failed("publish it first: feedserver open "+f.Name+database, "no event of %q has a position: feed %s is held", s.subject, f.Name)
	case end.Version == 0:
		return failed("assign positions with: feedserver serve"+database, "no event of %q in feed %s has a position yet", s.subject, f.Name)
	case s.upTo > end.Version:
		return failed(fmt.Sprintf("show all of it: leave out --version, or pass at most --version %d", end.Version), "%q in feed %s is at version %d, there is no version %d", s.subject, f.Name, end.Version, s.upTo)
	}
	return nil
}

// entityBatch is the number of versions that are read, and lined up, at once.
const entityBatch = 500

// each calls yield with the events to show, in order. cut is how much of the data of each is read, in
// bytes; 0 means all.
func (s *shownEntity) each(ctx context.Context, f *store.Feed, cut int64, yield func(*store.EntityRow) error, batch func() error) error {
	for first := int64(1); first <= s.upTo; first += entityBatch {
		err := s.log.EntityRows(ctx, f.Key, s.subject, first, min(first+entityBatch-1, s.upTo), cut, func(row *store.EntityRow) error {
			if !s.asOf.IsZero() && row.Time.After(s.asOf) {
				return nil
			}
			return yield(row)
		})
		if err == nil {
			err = batch()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *shownEntity) printJSON(ctx context.Context, f *store.Feed, _ *store.EntityEnd, _ []store.Snapshotted) error {
	out := s.command.OutOrStdout()
	return s.each(ctx, f, 0, func(row *store.EntityRow) error {
		_, err := out.Write(terminal.JSON(append(cloudevents.AppendVersionJSON(nil, &row.Placed, row.Version), '\n')))
		return err
	}, func() error { return nil })
}

func (s *shownEntity) printTable(ctx context.Context, f *store.Feed, end *store.EntityEnd, snapshots []store.Snapshotted) error {
	out := s.command.OutOrStdout()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(table, "VERSION\tPOSITION\tTIME\tRECORDED\tTYPE\tID\tDATA\n")
	shown := int64(0)
	err := s.each(ctx, f, readData, func(row *store.EntityRow) error {
		shown++
		_, err := terminal.Fprintf(table, "%d\t%d\t%s\t%s\t%s\t%s\t%s\n", row.Version, row.Position,
			cloudevents.FormatTime(row.Time), row.Recorded.Format(time.RFC3339), word(row.Type), word(row.ID), dataWord(row))
		return err
	}, table.Flush)
	if err != nil {
		return err
	}
	switch {
	case !s.asOf.IsZero():
		_, _ = terminal.Fprintf(table, "\n%s in feed %s: %d of its %s have a time until %s\n", word(s.subject), f.Name, shown, cli.Events(end.Version), cloudevents.FormatTime(s.asOf))
	case s.upTo < end.Version:
		_, _ = terminal.Fprintf(table, "\n%s in feed %s up to version %d; it is at version %d\n", word(s.subject), f.Name, s.upTo, end.Version)
	default:
		_, _ = terminal.Fprintf(table, "\n%s in feed %s is at version %d\n", word(s.subject), f.Name, end.Version)
	}
	for _, snapshot := range snapshots {
		_, _ = terminal.Fprintf(table, "snapshot %s\trevision %s\tversion %d\n", word(snapshot.Name), word(snapshot.Revision), snapshot.Version)
	}
	return table.Flush()
}

// How much of an event's data a line shows, in characters, and reads for that, in bytes.
const (
	shownData = 100
	readData  = 2048
)

// dataWord is an event's data in one line, as far as it fits.
func dataWord(row *store.EntityRow) string {
	if row.DataSize == 0 {
		return "-"
	}
	text := string(bytes.TrimSpace(row.Data))
	if row.DataSize > int64(len(row.Data)) {
		text = strings.ToValidUTF8(text, "")
	}
	if !utf8.ValidString(text) {
		return fmt.Sprintf("binary data, %d bytes", row.DataSize)
	}
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > shownData {
		return string(runes[:shownData]) + "…"
	}
	return text
}
