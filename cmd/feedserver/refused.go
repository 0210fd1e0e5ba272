package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/ingest"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// refusedRow is a refused row as refused --json shows it.
type refusedRow struct {
	Number  int64     `json:"number"`
	Refused time.Time `json:"refused"`
	Reason  string    `json:"reason"`
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Subject string    `json:"subject"`
	Bytes   int64     `json:"bytes"`
}

func refusedCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "refused NAME",
		Short: "List, repair or discard rows that could not become events",
		Long: `List the refused rows of a feed: rows of adopted tables that could not become events, each with the
reason. With --show, --append and --discard you repair or discard one of them.`,
		Example: `  feedserver refused orders --db postgres://feedserver@localhost/shop
  feedserver refused orders --show 3 | jq -c '.subject = "o-2"' | feedserver refused orders --append 3
  feedserver refused orders --discard 4`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	flags := command.Flags()
	asJSON := flags.Bool("json", false, "print a JSON array")
	show := flags.Int64("show", 0, "print row `NUMBER` as a CloudEvent in JSON, on one line")
	repaired := flags.Int64("append", 0, "append the event on standard input, and remove row `NUMBER`")
	discard := flags.Int64("discard", 0, "remove row `NUMBER` without appending an event")
	command.MarkFlagsMutuallyExclusive("json", "show", "append", "discard")
	cli.GroupFlags(command, "List: db json", "One row: show append discard")
	cli.HelpEnd(command, "A repaired event is appended at the end of the feed, after the events that the service wrote since.\nSee docs/commands.md#feedserver-refused and docs/adopt.md.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		f, err := log.Feed(command.Context(), arguments[0])
		if err != nil {
			return err
		}
		rows, has := log.Backend.(store.Refusals)
		out := command.OutOrStdout()
		switch {
		case !has:
			return cli.Usage("--db %s: only a database of PostgreSQL has triggers that can refuse rows", *db)
		case flags.Changed("show"):
			return showRefused(command.Context(), out, rows, &f, *show)
		case flags.Changed("append"):
			return appendRepaired(command.Context(), command.InOrStdin(), out, *db, &repair{rows, &f, *repaired, false})
		case flags.Changed("discard"):
			if err := rows.Discard(command.Context(), &f, *discard, nil); err != nil {
				return aboutRefused(err)
			}
			_, err := terminal.Fprintf(out, "%s: refused row %d discarded\n", f.Name, *discard)
			return err
		}
		return listRefused(command.Context(), out, rows, &f, *asJSON)
	}
	feedArgument(command)
	return command
}

func listRefused(ctx context.Context, out io.Writer, rows store.Refusals, f *store.Feed, asJSON bool) error {
	all := []refusedRow{}
	err := rows.Refused(ctx, f.Key, func(r *store.RefusedRow) error {
		all = append(all, refusedRow{r.Number, r.Refused.UTC(), r.Reason, r.Event.ID, r.Event.Type, r.Event.Subject, r.Bytes})
		return nil
	})
	switch {
	case err != nil:
		return err
	case asJSON:
		return cli.PrintJSON(out, all)
	case len(all) == 0:
		_, err = terminal.Fprintf(out, "%s: no row was refused\n", f.Name)
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(table, "NUMBER\tREFUSED\tID\tTYPE\tSUBJECT\tBYTES\tREASON\n")
	for _, r := range all {
		_, _ = terminal.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Number, r.Refused.Format(time.RFC3339), word(r.ID), word(r.Type), word(r.Subject), r.Bytes, r.Reason)
	}
	return table.Flush()
}

// longestWord bounds an attribute in a table: one that does not fit an event may be long.
const longestWord = 40

// word shows an attribute in a table, in quotes where it would not look like itself.
func word(text string) string {
	if len(text) > longestWord {
		text = strings.ToValidUTF8(text[:longestWord], "") + "…"
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// showRefused prints a row as an event that can be appended once it is
// repaired: with the source and an id that it would have got.
func showRefused(ctx context.Context, out io.Writer, rows store.Refusals, f *store.Feed, number int64) error {
	r, err := rows.RefusedRow(ctx, f.Key, number)
	if err != nil {
		return aboutRefused(err)
	}
	r.Event.ID = cmp.Or(r.Event.ID, fmt.Sprintf("refused-%d", number))
	r.Event.Source = cmp.Or(r.Event.Source, "/"+f.Name)
	_, err = out.Write(terminal.JSON(append(cloudevents.AppendJSON(nil, &r.Event), '\n')))
	return err
}

// repair is a log that takes one event, in place of a refused row.
type repair struct {
	rows   store.Refusals
	feed   *store.Feed
	number int64
	done   bool
}

// Append appends the event, and removes the row.
func (r *repair) Append(ctx context.Context, _ string, events []event.Event) (int, error) {
	if r.done || len(events) > 1 {
		return 0, errors.New("more than one event; give one for each refused row")
	}
	if err := r.rows.Discard(ctx, r.feed, r.number, &events[0]); err != nil {
		return 0, err
	}
	r.done = true
	return 1, nil
}

func appendRepaired(ctx context.Context, in io.Reader, out io.Writer, db string, r *repair) error {
	result, err := ingest.Append(ctx, r, r.feed.Name, ingest.Input{Name: "standard input", Reader: in, Size: -1})
	switch {
	case errors.Is(err, store.ErrNotRefused):
		return aboutRefused(err)
	case err != nil:
		return refusal(err, db, result)
	case !r.done:
		return errors.New("standard input has no event; give the repaired event in JSON, on one line")
	}
	_, err = terminal.Fprintf(out, "%s: event appended in place of refused row %d\n", r.feed.Name, r.number)
	return err
}

// aboutRefused says where the numbers of refused rows are found.
func aboutRefused(err error) error {
	if !errors.Is(err, store.ErrNotRefused) {
		return err
	}
	return &cli.StatusError{Status: cli.StatusFailed, Err: err, Next: "list the refused rows with: feedserver refused NAME"}
}
