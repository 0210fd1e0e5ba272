package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/adopt"
	"github.com/eventfeed/eventfeed/internal/cli"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func adoptCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "adopt --table TABLE",
		Short: "Write the SQL that publishes the rows of an existing table",
		Long: `Write the SQL that publishes the rows of an existing PostgreSQL table as events, and every later
change. The command only reads the table's columns: review the files, then run them with psql.`,
		Example: `  feedserver adopt --table crm.customers --db postgres://crm_owner@localhost/crm
  feedserver adopt --table crm.customers --key customer_no --feed customers --dir adopt --db postgres://crm_owner@localhost/crm
  feedserver adopt --outbox --table outbox --subject order_id --feed orders --dir adopt --db postgres://shop_owner@localhost/shop`,
		Args: cobra.NoArgs,
	}
	db := databaseFlag(command)
	flags := command.Flags()
	var o adopt.Options
	table := flags.String("table", "", "`TABLE` to publish, with its schema, as in SQL: crm.customers, or '\"CRM\".\"Customers\"'")
	outbox := flags.Bool("outbox", false, "the table is an outbox table: its rows are events")
	dir := flags.String("dir", "", "`FOLDER` to write the files to (default: print them)")
	flags.StringVar(&o.Feed, "feed", "", "`NAME` of the feed (default: derived from the table's name)")
	flags.StringSliceVar(&o.Key, "key", nil, "comma-separated `COLUMNS` that identify a row (default: the primary key)")
	flags.StringVar(&o.Entity, "entity", "", "`NAME` of the entity in event types, as in NAMECreated (default: derived from the table's name)")
	flags.StringVar(&o.ID, "id", "", "`COLUMN` of the event's id (default for this and the next four: found by usual names)")
	flags.StringVar(&o.Type, "type", "", "`COLUMN` of the event's type")
	flags.StringVar(&o.Subject, "subject", "", "`COLUMN` of the event's subject: the id of its entity")
	flags.StringVar(&o.Data, "data", "", "`COLUMN` of the event's data")
	flags.StringVar(&o.Time, "time", "", "`COLUMN` of the event's time")
	flags.StringVar(&o.ContentType, "content-type", "", "media `TYPE` of the data (default for json and jsonb: application/json)")
	flags.StringSliceVar(&o.Order, "order", nil, "comma-separated `COLUMNS` that sort rows by the order of their insertion (default: a numeric key)")
	cli.GroupFlags(command, "Table and feed: db table feed key dir", "A table of the current state (the default): entity",
		"An outbox table: outbox id type subject data time content-type order")
	cli.HelpEnd(command, "For a table of the current state it also writes projection.sql, for: seeder run --projection.\nSee docs/commands.md#feedserver-adopt and docs/adopt.md.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if *table == "" {
			return cli.Usage("--table is missing: the table to adopt, such as crm.customers")
		}
		if !*outbox {
			for _, name := range []string{"id", "type", "subject", "data", "time", "content-type", "order"} {
				if flags.Changed(name) {
					return cli.Usage("--%s is for a table whose rows are events: give --outbox too", name)
				}
			}
		} else if flags.Changed("entity") {
			return cli.Usage("--entity is for a table that holds the present state; with --outbox the types come from the rows")
		}
		if !postgresdb.IsURL(*db) {
			return cli.Usage("--db %s: adopt needs the URL of the PostgreSQL database that has the table", cli.Redact(*db))
		}
		files, err := readTable(command.Context(), *db, *table, *outbox, o)
		if errors.Is(err, adopt.ErrTable) {
			return &cli.StatusError{Status: cli.StatusUsage, Err: err}
		}
		if err != nil {
			return err
		}
		if *dir == "" {
			return printFiles(command.OutOrStdout(), files)
		}
		if err := writeFiles(*dir, files); err != nil {
			return err
		}
		return sayFiles(command.OutOrStdout(), *db, *dir, files)
	}
	return command
}

// readTable makes the recipe for the table, in a transaction that only reads.
func readTable(ctx context.Context, url, table string, outbox bool, o adopt.Options) (files []adopt.File, err error) {
	pool, err := postgresdb.Open(ctx, url, 1)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", cli.Redact(url), err)
	}
	defer pool.Close()
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		described, err := adopt.Describe(ctx, tx, table)
		if err != nil {
			return err
		}
		if outbox {
			files, err = adopt.Outbox(ctx, tx, described, o)
		} else {
			files, err = adopt.State(ctx, tx, described, o)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", cli.Redact(url), err)
	}
	return files, nil
}

func printFiles(out io.Writer, files []adopt.File) error {
	for _, file := range files {
		if _, err := terminal.Fprintf(out, "-- ======== %s ========\n", file.Name); err != nil {
			return err
		}
		if _, err := io.WriteString(out, file.Text+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles writes none over a file that is there: it may have been edited.
func writeFiles(dir string, files []adopt.File) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(dir, file.Name)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) {
			return &cli.StatusError{Status: cli.StatusFailed, Err: fmt.Errorf("%s exists already, and may have been edited", path), Next: "remove it, or name another folder with --dir"}
		}
		if err != nil {
			return err
		}
		_, err = f.WriteString(file.Text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func sayFiles(out io.Writer, db, dir string, files []adopt.File) error {
	_, err := terminal.Fprintf(out, "%d files written to %s. Review them, make the feed, and run in this order:\n", len(files), dir)
	for _, file := range files {
		if err == nil && file.Name[0] >= '0' && file.Name[0] <= '9' {
			_, err = terminal.Fprintf(out, "  psql %s -v ON_ERROR_STOP=1 -f %s\n", cli.Quote(cli.Redact(db)), cli.Quote(filepath.Join(dir, file.Name)))
		}
	}
	return err
}
