package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

// defaultTypes is the default number of types that the command lists.
const defaultTypes = 1000

func typesCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "types NAME",
		Short: "List the types of a feed's events, with counts",
		Long: `List the types of a feed's events: for each type and dataschema the number of events, and the positions
of the first and the last of them. The counts are kept, so this is quick for a history of any length.`,
		Example: `  feedserver types orders
  feedserver types orders --db postgres://feedserver@localhost/shop --json`,
		Args: cobra.ExactArgs(1),
	}
	db := databaseFlag(command)
	asJSON := command.Flags().Bool("json", false, "print a JSON object")
	limit := command.Flags().Int("limit", defaultTypes, "`NUMBER` of types to list at most")
	cli.HelpEnd(command, "See docs/commands.md#feedserver-types.")
	command.RunE = func(command *cobra.Command, arguments []string) error {
		if *limit < 1 {
			return cli.Usage("--limit %d: must be at least 1", *limit)
		}
		log, err := openLog(command.Context(), *db, false)
		if err != nil {
			return err
		}
		defer log.Close()
		f, types, more, err := log.Types(command.Context(), arguments[0], feed.TypeKey{}, *limit)
		if err != nil {
			return err
		}
		if *asJSON {
			return cli.PrintJSON(command.OutOrStdout(), feed.TypesDocument{
				Feed: f.Name, ID: f.ID, Position: f.Published, Types: append([]feed.TypeCount{}, types...), More: more,
			})
		}
		if err := printTypes(command, types); err != nil || !more {
			return err
		}
		_, err = terminal.Fprintf(command.ErrOrStderr(), "the feed has more types than these %d; list more with: --limit NUMBER\n", len(types))
		return err
	}
	feedArgument(command)
	return command
}

func printTypes(command *cobra.Command, types []feed.TypeCount) error {
	columns := [3][]string{{"EVENTS"}, {"FIRST"}, {"LAST"}}
	for _, t := range types {
		for i, n := range []int64{t.Events, t.First, t.Last} {
			columns[i] = append(columns[i], strconv.FormatInt(n, 10))
		}
	}
	for _, column := range columns {
		alignRight(column)
	}
	table := tabwriter.NewWriter(command.OutOrStdout(), 0, 0, 2, ' ', 0)
	_, _ = terminal.Fprintf(table, "TYPE\tDATASCHEMA\t%s\t%s\t%s\n", columns[0][0], columns[1][0], columns[2][0])
	for i, t := range types {
		schema := t.DataSchema
		if schema == "" {
			schema = "-"
		}
		_, _ = terminal.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", t.Type, schema, columns[0][i+1], columns[1][i+1], columns[2][i+1])
	}
	return table.Flush()
}

// alignRight gives all texts of a column the width of the longest one.
func alignRight(column []string) {
	width := 0
	for _, text := range column {
		width = max(width, len(text))
	}
	for i, text := range column {
		column[i] = fmt.Sprintf("%*s", width, text)
	}
}
