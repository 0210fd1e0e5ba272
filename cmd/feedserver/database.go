package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eventfeed/eventfeed/internal/cli"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
)

// databaseFlag adds --db.
func databaseFlag(command *cobra.Command) *string {
	return command.Flags().String("db", "sqlite:eventfeed.db", "database `URL`: sqlite:PATH or postgres://USER@HOST:PORT/NAME")
}

// openLog opens the log of a database URL. A program that may migrate also
// makes what is missing, the file of SQLite too.
func openLog(ctx context.Context, url string, mayMigrate bool) (*store.Log, error) {
	path, err := sqlitePath(url)
	if err != nil {
		return nil, err
	}
	var db store.Backend
	if path == "" {
		db, err = postgres.Open(ctx, url, mayMigrate)
	} else {
		if _, err := os.Stat(path); err != nil && !mayMigrate {
			return nil, fmt.Errorf("database %s: %w; create it and a feed with: feedserver create NAME --db %s", url, err, url)
		}
		db, err = sqlite.Open(ctx, path, mayMigrate)
	}
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", cli.Redact(url), err)
	}
	return store.New(db), nil
}

// sqlitePath returns the path in a database URL, or nothing for PostgreSQL.
func sqlitePath(url string) (string, error) {
	switch {
	case postgresdb.IsURL(url):
		return "", nil
	case strings.HasPrefix(url, sqlitedb.Scheme):
		path, err := sqlitedb.Path(url)
		if err != nil {
			return "", cli.Usage("--db: %w", err)
		}
		return path, nil
	default:
		return "", cli.NotDatabase("db", url)
	}
}
