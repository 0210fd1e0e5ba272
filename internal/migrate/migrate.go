// Package migrate brings the schema of a database to the version that this program
// knows: on SQLite with goose, on PostgreSQL in one transaction with the settings of
// postgresdb.Own. Migrations only go forward.
package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// Errors that callers tell apart; all are wrapped.
var (
	// ErrTooNew is returned for a schema that a newer program made, and that
	// this one does not work on.
	ErrTooNew = errors.New("the schema is too new for this program: upgrade the program")
	// ErrTooOld is returned by a check for a schema that is to be migrated.
	ErrTooOld = errors.New("the schema is not up to date")
	// ErrNone is returned by a check where there is no schema yet.
	ErrNone = errors.New("eventfeed has no tables in this database yet")
	// ErrCannotMake is returned for a schema that could not be made.
	ErrCannotMake = errors.New("cannot make the schema")
	// ErrNotOurs is returned for a schema of the same name that someone else
	// has made.
	ErrNotOurs = errors.New("there is a schema of that name already that is not of eventfeed")
)

// state is what a database says of its schema.
type state struct {
	version int64 // of the schema, 0 if there is none
	oldest  int64 // version whose programs work on it still
}

// versions counts the migrations, which are numbered 1, 2, 3 …
func versions(files fs.FS) (int64, error) {
	names, err := fs.Glob(files, "*.sql")
	return int64(len(names)), err
}

// isCurrent reports whether a program that knows these migrations can work on
// the schema as it is. A newer schema is fine as long as it says so.
func (s state) isCurrent(schema string, files fs.FS) (bool, error) {
	known, err := versions(files)
	if err != nil {
		return false, err
	}
	if s.version > known && s.oldest > known {
		return false, fmt.Errorf("%s: %w (it is at version %d, this program knows %d)", schema, ErrTooNew, s.version, known)
	}
	return s.version >= known, nil
}

// check is isCurrent for programs that may not migrate.
func (s state) check(schema string, files fs.FS) error {
	current, err := s.isCurrent(schema, files)
	if err != nil || current {
		return err
	}
	known, err := versions(files)
	if err != nil {
		return err
	}
	if s.version == 0 {
		return ErrNone
	}
	return fmt.Errorf("%s: %w (it is at version %d, this program needs %d)", schema, ErrTooOld, s.version, known)
}

func up(ctx context.Context, db *sql.DB, dialect database.Dialect, table string, files fs.FS) error {
	store, err := database.NewStore(dialect, table)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider("", db, files, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	return nil
}
