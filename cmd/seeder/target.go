package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/postgresdb"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
	"github.com/eventfeed/eventfeed/seed"
)

// openTarget returns the target of a database URL, with an inbox as sink.
func openTarget(ctx context.Context, url string) (target seed.Target, closeTarget func(), err error) {
	pool, path, err := openDatabase(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	if pool != nil {
		return seed.PostgresInbox(pool), pool.Close, nil
	}
	return seed.SQLiteInbox(path), func() {}, nil
}

// minConnections is what a seeder needs: for its lock, for its transactions,
// and to migrate.
const minConnections = 4

// openDatabase returns a PostgreSQL pool, or the path of an SQLite file.
func openDatabase(ctx context.Context, url string) (pool *pgxpool.Pool, path string, err error) {
	switch {
	case url == "":
		return nil, "", cli.Usage("--into is missing: the database to fill, sqlite:PATH or postgres://…")
	case postgresdb.IsURL(url):
		pool, err := postgresdb.Open(ctx, url, minConnections)
		if err != nil {
			return nil, "", cli.Usage("--into %s: %w", cli.Redact(url), err)
		}
		return pool, "", nil
	case strings.HasPrefix(url, sqlitedb.Scheme):
		path, err := sqlitedb.Path(url)
		if err != nil {
			return nil, "", cli.Usage("--into: %w", err)
		}
		return nil, path, nil
	default:
		return nil, "", cli.Usage("--into %q: must be sqlite:PATH or postgres://…", cli.Redact(url))
	}
}

// standings reads how all consumers of a target stand, and changes nothing.
func standings(ctx context.Context, url string) ([]checkpoint.Standing, error) {
	pool, path, err := openDatabase(ctx, url)
	if err != nil {
		return nil, err
	}
	if pool != nil {
		defer pool.Close()
		return checkpoint.NewPostgres(pool).Standings(ctx)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, noDatabase(fmt.Errorf("database %s: %w", url, err))
	}
	db, err := sqlitedb.Look(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	return checkpoint.NewSQLite(db, path).Standings(ctx)
}
