// Package migrate has what migrations share on every database: which schema versions a
// program supports, and the script that an administrator may run instead. migrate/postgres
// and migrate/sqlite bring a schema up to date. Migrations only go forward.
package migrate

import (
	"errors"
	"fmt"
	"io/fs"
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
	ErrCannotMake = errors.New("cannot create the schema")
	// ErrNotOurs is returned for a schema of the same name that someone else
	// has made.
	ErrNotOurs = errors.New("a schema of that name exists already, and is not eventfeed's")
)

// The tables in which a schema says of what version it is, and which programs
// work on it. The second one may be missing: then only those of that version.
const (
	VersionTable       = "schema_version"
	CompatibilityTable = "schema_compatibility"
)

// State is what a database says of its schema.
type State struct {
	Version int64 // of the schema, 0 if there is none
	Oldest  int64 // version whose programs work on it still
}

// versions counts the migrations, which are numbered 1, 2, 3 …
func versions(files fs.FS) (int64, error) {
	names, err := fs.Glob(files, "*.sql")
	return int64(len(names)), err
}

// IsCurrent reports whether a program that knows these migrations can work on
// the schema as it is. A newer schema is fine as long as it says so.
func (s State) IsCurrent(schema string, files fs.FS) (bool, error) {
	known, err := versions(files)
	if err != nil {
		return false, err
	}
	if s.Version > known && s.Oldest > known {
		return false, fmt.Errorf("%s: %w (it is at version %d, this program supports %d)", schema, ErrTooNew, s.Version, known)
	}
	return s.Version >= known, nil
}

// Check is IsCurrent for programs that may not migrate: it returns ErrNone, ErrTooOld
// or ErrTooNew if they cannot work on the schema as it is.
func (s State) Check(schema string, files fs.FS) error {
	current, err := s.IsCurrent(schema, files)
	if err != nil || current {
		return err
	}
	known, err := versions(files)
	if err != nil {
		return err
	}
	if s.Version == 0 {
		return ErrNone
	}
	return fmt.Errorf("%s: %w (it is at version %d, this program needs %d)", schema, ErrTooOld, s.Version, known)
}
