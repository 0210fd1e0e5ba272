// Command feedserver publishes the event histories that a database holds as
// archived Atom feeds.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
)

func main() {
	os.Exit(cli.Main(command()))
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "feedserver",
		Short: "Publish the event history of a service as archived Atom feeds",
		Long:  long,
	}
	root.AddCommand(createCommand(), appendCommand(), serveCommand(), listCommand(), verifyCommand(), newEpochCommand())
	return root
}

// databaseFlag adds --db.
func databaseFlag(command *cobra.Command) *string {
	return command.Flags().String("db", "sqlite:eventfeed.db", "database `URL`, sqlite:PATH or postgres://USER@HOST:PORT/NAME")
}

// openLog opens the log of a database URL. Where mustExist is set an SQLite
// file is not made.
func openLog(ctx context.Context, url string, mustExist bool) (*store.Log, error) {
	switch {
	case strings.HasPrefix(url, "postgres://"), strings.HasPrefix(url, "postgresql://"):
		db, err := postgres.Open(ctx, url)
		if err != nil {
			return nil, fmt.Errorf("database %s: %w", cli.Redact(url), err)
		}
		return store.New(db), nil
	case strings.HasPrefix(url, sqlitedb.Scheme):
		path, err := sqlitedb.Path(url)
		if err != nil {
			return nil, cli.Usage("--db: %w", err)
		}
		if _, err := os.Stat(path); mustExist && err != nil {
			return nil, fmt.Errorf("database %s: %w; make it and a feed with: feedserver create NAME --db %s", url, err, url)
		}
		db, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("database %w", err)
		}
		return store.New(db), nil
	default:
		return nil, cli.Usage("--db %q: must be sqlite:PATH or postgres://…", cli.Redact(url))
	}
}
