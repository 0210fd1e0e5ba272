// Package migrate brings a database's schema to the version that this program
// knows, with goose. Migrations only go forward.
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// ErrTooNew is returned, wrapped, for a schema that a newer program made.
var ErrTooNew = errors.New("the schema is newer than this program, upgrade it")

// advisoryLock keeps programs that start together from migrating at once.
const advisoryLock = 0x6576656e74666d67 // "eventfmg"

// Postgres migrates the tables in schema, which it makes if it is not there.
// The versions applied so far stand in its table schema_version.
func Postgres(ctx context.Context, pool *pgxpool.Pool, schema string, files fs.FS) error {
	if current, err := postgresIsCurrent(ctx, pool, schema, files); err != nil || current {
		return err
	}
	return pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(advisoryLock)); err != nil {
			return fmt.Errorf("wait for others that migrate: %w", err)
		}
		// A connection whose lock could not be given back must not be used again.
		defer func() {
			if _, err := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(advisoryLock)); err != nil {
				_ = conn.Conn().Close(context.WithoutCancel(ctx))
			}
		}()
		if _, err := conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+pgx.Identifier{schema}.Sanitize()); err != nil {
			return fmt.Errorf("create schema %s: %w", schema, err)
		}
		db := stdlib.OpenDBFromPool(pool)
		defer func() { _ = db.Close() }() // leaves the pool open
		return up(ctx, db, database.DialectPostgres, schema+".schema_version", files)
	})
}

// postgresIsCurrent looks without a lock and without writing, so that a
// program may start on a database that it has no right to change.
func postgresIsCurrent(ctx context.Context, pool *pgxpool.Pool, schema string, files fs.FS) (bool, error) {
	var there bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", schema+".schema_version").Scan(&there); err != nil {
		return false, fmt.Errorf("look for schema %s: %w", schema, err)
	}
	if !there {
		return false, nil
	}
	var version int64
	query := "SELECT coalesce(max(version_id), 0) FROM " + pgx.Identifier{schema, "schema_version"}.Sanitize()
	if err := pool.QueryRow(ctx, query).Scan(&version); err != nil {
		return false, fmt.Errorf("read version of schema %s: %w", schema, err)
	}
	return isCurrent(schema, version, files)
}

func isCurrent(schema string, version int64, files fs.FS) (bool, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return false, err
	}
	known := int64(len(names)) // numbered 1, 2, 3 …
	if version > known {
		return false, fmt.Errorf("%s: %w (schema %d, program %d)", schema, ErrTooNew, version, known)
	}
	return version == known, nil
}

// SQLite migrates the tables of a database file. The versions applied so far
// stand in the table named table.
func SQLite(ctx context.Context, db *sql.DB, table string, files fs.FS) error {
	if current, err := sqliteIsCurrent(ctx, db, table, files); err != nil || current {
		return err
	}
	err := up(ctx, db, database.DialectSQLite3, table, files)
	if err != nil {
		// Another process may have migrated at the same time.
		if current, _ := sqliteIsCurrent(ctx, db, table, files); current {
			return nil
		}
	}
	return err
}

func sqliteIsCurrent(ctx context.Context, db *sql.DB, table string, files fs.FS) (bool, error) {
	var tables int
	err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = ?", table).Scan(&tables)
	if err != nil || tables == 0 {
		return false, err
	}
	var version int64
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+table).Scan(&version); err != nil {
		return false, fmt.Errorf("read version of %s: %w", table, err)
	}
	return isCurrent(table, version, files)
}

func up(ctx context.Context, db *sql.DB, dialect database.Dialect, table string, files fs.FS) error {
	versions, err := database.NewStore(dialect, table)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider("", db, files, goose.WithStore(versions), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	return nil
}
