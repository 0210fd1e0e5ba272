package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/checkpoint/postgres"
	"github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	"github.com/eventfeed/eventfeed/internal/cli"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// openTarget returns the target of a database URL, with an inbox as sink.
func openTarget(ctx context.Context, url string) (target seed.Target, closeTarget func(), err error) {
	pool, path, err := openDatabase(ctx, url)
	if err != nil {
		return target, nil, err
	}
	if pool != nil {
		return seedpgx.Open(pool).Inbox(), pool.Close, nil
	}
	return seedsqlite.Open(path).Inbox(), func() {}, nil
}

// minConnections is the number of connections that a seeder needs: for its lock, for its
// transactions, and to migrate.
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
		return nil, "", cli.NotDatabase("into", url)
	}
}

// lookedAt is a target that is read and not changed.
type lookedAt interface {
	// Statuses returns the status of each checkpoint of every consumer.
	Statuses(ctx context.Context) ([]checkpoint.Status, error)
	// FailedParked returns the first parked events of a consumer that failed themselves.
	FailedParked(ctx context.Context, consumer string, most int) ([]checkpoint.Parked, error)
	// Failures counts the first of these events, and their errors.
	Failures(ctx context.Context, consumer string) (checkpoint.Failures, error)
	lag.Target
}

// lookAt opens a target to read it.
func lookAt(ctx context.Context, url string) (target lookedAt, done func(), err error) {
	pool, path, err := openDatabase(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	if pool != nil {
		return postgres.Look(pool), pool.Close, nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil, nil, noDatabase(fmt.Errorf("database %s: %w", url, err))
	}
	db, err := sqlitedb.Look(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	return sqlite.Look(db, path), func() { _ = db.Close() }, nil
}
