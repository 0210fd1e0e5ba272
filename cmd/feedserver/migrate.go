package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
	"github.com/eventfeed/eventfeed/internal/terminal"
)

func migrateCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Create or upgrade eventfeed's tables and functions",
		Long: `Create eventfeed's tables and functions in a database, or upgrade them, and grant rights to the
roles eventfeed_writer and eventfeed_server. Servers and writers of the previous version keep working.`,
		Example: `  feedserver migrate --db postgres://shop_owner@localhost/shop
  feedserver migrate --db postgres://shop_owner@localhost/shop --print > migration.sql
  feedserver serve --db postgres://feedserver@localhost/shop --migrate=false`,
		Args: cobra.NoArgs,
	}
	db := databaseFlag(command)
	printOnly := command.Flags().Bool("print", false, "print the SQL, for psql, and change nothing")
	cli.HelpEnd(command, "Run it as the user that is to own the schema, before you start servers of a new version.\nSee docs/commands.md#feedserver-migrate and docs/operations.md.")
	command.RunE = func(command *cobra.Command, _ []string) error {
		path, err := sqlitePath(*db)
		if err != nil {
			return err
		}
		if *printOnly {
			err = printMigration(command.Context(), command.OutOrStdout(), *db, path)
		} else {
			err = migrateNow(command.Context(), command.OutOrStdout(), *db, path)
		}
		if err != nil {
			return fmt.Errorf("database %s: %w", cli.Redact(*db), err)
		}
		return nil
	}
	return command
}

func migrateNow(ctx context.Context, w io.Writer, url, path string) (err error) {
	if path == "" {
		err = postgres.Migrate(ctx, url)
	} else {
		err = sqlite.Migrate(ctx, path)
	}
	if err != nil {
		return err
	}
	_, err = terminal.Fprintf(w, "schema of database %s is up to date, rights are granted\n", cli.Redact(url))
	return err
}

func printMigration(ctx context.Context, w io.Writer, url, path string) (err error) {
	var script string
	if path == "" {
		script, err = postgres.MigrationScript(ctx, url)
	} else {
		script, err = sqlite.MigrationScript(ctx, path)
	}
	if err != nil {
		return err
	}
	if _, err := terminal.Fprintf(w, "-- For database %s, by feedserver migrate --print.\n\n", cli.Redact(url)); err != nil {
		return err
	}
	_, err = io.WriteString(w, script)
	return err
}
