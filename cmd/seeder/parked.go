package main

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/terminal"
	"github.com/eventfeed/eventfeed/seed"
)

// parkedEvent is a parked event as parked --json shows it.
type parkedEvent struct {
	Consumer string    `json:"consumer"`
	Feed     string    `json:"feed"`
	FeedID   string    `json:"feed_id"`
	Position int64     `json:"position"`
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Subject  string    `json:"subject"`
	Live     bool      `json:"live"`
	Error    string    `json:"error"`
	Attempts int       `json:"attempts"`
	Since    time.Time `json:"since"`
}

func parkedCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "parked --into URL",
		Short: "List parked events",
		Long: `List the events that "seeder run --on-error park" has parked: events that could not be applied, each
with its error, and the later events of the same entity, which wait for them.`,
		Example: `  seeder parked --into sqlite:shipping.db
  seeder parked --into postgres://shipping@localhost/shipping --consumer reports --json
  seeder parked --into sqlite:shipping.db --feed orders --subject 4711`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	into := flags.String("into", "", "`URL` of the target database: sqlite:PATH or postgres://USER@HOST:PORT/NAME")
	var of seed.ParkedFilter
	flags.StringVar(&of.Consumer, "consumer", "", "list only the events of the consumer `NAME`")
	shelfFlags(command, &of)
	asJSON := flags.Bool("json", false, "print a JSON array")
	cli.GroupFlags(command, "Database: into json", "Only some events: consumer feed subject")
	cli.HelpEnd(command, "Fix the cause, then apply the events with: seeder retry. You can list them while a seeder runs.\nSee docs/commands.md#seeder-parked and docs/parked-events.md.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		target, closeTarget, err := openTarget(command.Context(), *into)
		if err != nil {
			return err
		}
		defer closeTarget()
		list := newParkedList(command.OutOrStdout(), *asJSON)
		for p, err := range seed.Parked(command.Context(), target, of) {
			if err != nil {
				return explained(err, *into)
			}
			if err := list.add(p); err != nil {
				return err
			}
		}
		return list.end()
	}
	return command
}

// shelfFlags are the flags that select parked events.
func shelfFlags(command *cobra.Command, of *seed.ParkedFilter) {
	command.Flags().StringVar(&of.Feed, "feed", "", "only events of the feed with this `NAME` or id")
	command.Flags().StringVar(&of.Subject, "subject", "", "only events of the entity `SUBJECT`")
}

// parkedList prints parked events while it reads them, because there may be many.
type parkedList struct {
	out   io.Writer
	table *tabwriter.Writer // nil for JSON
	n     int
}

func newParkedList(out io.Writer, asJSON bool) *parkedList {
	l := &parkedList{out: out}
	if !asJSON {
		l.table = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	}
	return l
}

// rowsAligned is the number of rows of the table that are aligned together.
const rowsAligned = 1000

func (l *parkedList) add(p seed.ParkedEvent) error {
	l.n++
	if l.table == nil {
		return l.addJSON(p)
	}
	if l.n == 1 {
		_, _ = terminal.Fprintf(l.table, "CONSUMER\tFEED\tPOSITION\tID\tTYPE\tSUBJECT\tATTEMPTS\tSINCE\tERROR\n")
	}
	problem := oneLine(p.Error)
	if problem == "" {
		problem = "waits for an earlier event"
	}
	_, _ = terminal.Fprintf(l.table, "%s\t%s\t%d\t%s\t%s\t%s\t%d\t%s\t%s\n",
		p.Consumer, p.Feed, p.Position, p.ID, p.Type, orDash(p.Subject), p.Attempts, p.Since.UTC().Format(time.RFC3339), problem)
	if l.n%rowsAligned == 0 {
		return l.table.Flush()
	}
	return nil
}

func (l *parkedList) addJSON(p seed.ParkedEvent) error {
	text, err := json.MarshalIndent(parkedEvent{
		p.Consumer, p.Feed, p.FeedID, p.Position, p.ID, p.Type, p.Subject, p.Live, p.Error, p.Attempts, p.Since.UTC(),
	}, "  ", "  ")
	if err != nil {
		return err
	}
	before := ",\n  "
	if l.n == 1 {
		before = "[\n  "
	}
	_, err = l.out.Write(append([]byte(before), terminal.JSON(text)...))
	return err
}

func (l *parkedList) end() (err error) {
	switch {
	case l.table == nil && l.n == 0:
		_, err = terminal.Fprintf(l.out, "[]\n")
	case l.table == nil:
		_, err = terminal.Fprintf(l.out, "\n]\n")
	case l.n == 0:
		_, err = terminal.Fprintf(l.out, "nothing is parked\n")
	default:
		err = l.table.Flush()
	}
	return err
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// onError is the value of --on-error.
type onError seed.OnError

func (o *onError) Set(text string) error {
	switch text {
	case "stop":
		*o = onError(seed.Stop)
	case "park":
		*o = onError(seed.Park)
	default:
		return errors.New("must be stop or park")
	}
	return nil
}

func (o *onError) String() string {
	if *o == onError(seed.Park) {
		return "park"
	}
	return "stop"
}

// Words returns the possible values, for shell completion.
func (o *onError) Words() []string { return []string{"stop", "park"} }

func (o *onError) Type() string { return "string" }

// sayParked prints how many events a run has parked, and the next step.
func sayParked(out io.Writer, p seed.Progress, config seed.Config, into string) error {
	if p.Parked == 0 {
		return nil
	}
	if config.DryRun {
		_, err := terminal.Fprintf(out, "%s would be parked\n", cli.Events(p.Parked))
		return err
	}
	_, err := terminal.Fprintf(out, "%s parked; they are listed by: %s\n", cli.Events(p.Parked), parkedLine(config, into))
	return err
}

func parkedLine(config seed.Config, into string) string {
	return "seeder parked" + placeFlag(into) + consumerFlag(config)
}

// orPark adds --on-error park as a next step to an error that an event itself caused.
func orPark(err error, config seed.Config) error {
	if !seed.IsOwn(err) || config.OnError == seed.Park {
		return err
	}
	return &cli.StatusError{Status: cli.StatusFailed, Err: err,
		Next: "fix the cause, then run the same command again; or park such events, and apply the others, with: --on-error park"}
}
