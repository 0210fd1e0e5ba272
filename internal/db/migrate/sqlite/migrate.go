// Package migratesqlite brings a schema in SQLite to the version that this program
// knows, with goose.
package migratesqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/eventfeed/eventfeed/internal/db/migrate"
)

// Migrations is a set of tables in SQLite database files, whose names have a prefix
// in common.
type Migrations struct {
	Prefix string
	// Files holds one +goose statement each: of several, goose looks for the ends, with a
	// buffer of 4 MiB for each line, which takes longer than to execute them.
	Files fs.FS
}

// Up makes the tables if they are not there, and brings them up to date. It
// writes nothing if they are.
func (m Migrations) Up(ctx context.Context, db *sql.DB) error {
	var failed error
	for before := int64(-1); ; {
		current, err := m.isCurrent(ctx, db)
		if err != nil || current {
			return err
		}
		s, err := m.state(ctx, db)
		if err != nil {
			return err
		}
		if failed != nil && s.Version == before {
			return failed
		}
		before = s.Version
		if failed = m.up(ctx, db); failed == nil {
			return nil
		}
		// Another process may be migrating at the same time: as long as it gets
		// on, what it has not done yet is still to be done.
	}
}

func (m Migrations) up(ctx context.Context, db *sql.DB) error {
	table := m.Prefix + migrate.VersionTable
	store, err := database.NewStore(database.DialectSQLite3, table)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider("", db, m.Files, goose.WithStore(store), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", table, err)
	}
	return nil
}

// Check returns migrate.ErrNone, ErrTooOld or ErrTooNew if this program cannot work on the
// tables as they are. It writes nothing.
func (m Migrations) Check(ctx context.Context, db *sql.DB) error {
	s, err := m.state(ctx, db)
	if err != nil {
		return err
	}
	return s.Check(m.name(), m.Files)
}

func (m Migrations) name() string { return "tables " + m.Prefix + "…" }

func (m Migrations) isCurrent(ctx context.Context, db *sql.DB) (bool, error) {
	s, err := m.state(ctx, db)
	if err != nil {
		return false, err
	}
	return s.IsCurrent(m.name(), m.Files)
}

func (m Migrations) state(ctx context.Context, db *sql.DB) (s migrate.State, err error) {
	var versioned, compatible bool
	err = db.QueryRowContext(ctx, "SELECT count(*) FILTER (WHERE name = ?1) > 0, count(*) FILTER (WHERE name = ?2) > 0 FROM sqlite_master",
		m.Prefix+migrate.VersionTable, m.Prefix+migrate.CompatibilityTable).Scan(&versioned, &compatible)
	if err != nil || !versioned {
		return s, err
	}
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+m.Prefix+migrate.VersionTable).Scan(&s.Version); err != nil {
		return s, fmt.Errorf("read the version of %s: %w", m.name(), err)
	}
	s.Oldest = s.Version
	if compatible {
		if err := db.QueryRowContext(ctx, "SELECT max(oldest) FROM "+m.Prefix+migrate.CompatibilityTable).Scan(&s.Oldest); err != nil {
			return s, fmt.Errorf("read what works on %s: %w", m.name(), err)
		}
	}
	return s, nil
}

// Script returns the SQL that does what Up would do, for someone else to run.
func (m Migrations) Script(ctx context.Context, db *sql.DB) (string, error) {
	s, err := m.state(ctx, db)
	if err != nil {
		return "", err
	}
	if _, err := s.IsCurrent(m.name(), m.Files); err != nil {
		return "", err
	}
	versions := m.Prefix + migrate.VersionTable
	script := migrate.Script{}
	script.Line("BEGIN IMMEDIATE;")
	if s.Version == 0 {
		script.Line("CREATE TABLE " + versions + ` (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    version_id INTEGER NOT NULL,
    is_applied INTEGER NOT NULL,
    tstamp     TIMESTAMP DEFAULT (datetime('now'))
);`)
		script.Line("INSERT INTO " + versions + " (version_id, is_applied) VALUES (0, 1);")
	}
	if err := script.Migrations(m.Files, versions, s.Version); err != nil {
		return "", err
	}
	script.Line("COMMIT;")
	return script.String(), nil
}
