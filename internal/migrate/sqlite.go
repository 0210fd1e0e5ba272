package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3/database"
)

// SQLite is a set of tables in SQLite database files, whose names have a prefix
// in common.
type SQLite struct {
	Prefix string
	Files  fs.FS
}

// Up makes the tables if they are not there, and brings them up to date. It
// writes nothing if they are.
func (m SQLite) Up(ctx context.Context, db *sql.DB) error {
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
		if failed != nil && s.version == before {
			return failed
		}
		before = s.version
		if failed = up(ctx, db, database.DialectSQLite3, m.Prefix+versionTable, m.Files); failed == nil {
			return nil
		}
		// Another process may be migrating at the same time: as long as it gets
		// on, what it has not done yet is still to be done.
	}
}

// Check returns ErrNone, ErrTooOld or ErrTooNew if this program cannot work on the
// tables as they are. It writes nothing.
func (m SQLite) Check(ctx context.Context, db *sql.DB) error {
	s, err := m.state(ctx, db)
	if err != nil {
		return err
	}
	return s.check(m.name(), m.Files)
}

func (m SQLite) name() string { return "tables " + m.Prefix + "…" }

func (m SQLite) isCurrent(ctx context.Context, db *sql.DB) (bool, error) {
	s, err := m.state(ctx, db)
	if err != nil {
		return false, err
	}
	return s.isCurrent(m.name(), m.Files)
}

func (m SQLite) state(ctx context.Context, db *sql.DB) (s state, err error) {
	var versioned, compatible bool
	err = db.QueryRowContext(ctx, "SELECT count(*) FILTER (WHERE name = ?1) > 0, count(*) FILTER (WHERE name = ?2) > 0 FROM sqlite_master",
		m.Prefix+versionTable, m.Prefix+compatibilityTable).Scan(&versioned, &compatible)
	if err != nil || !versioned {
		return s, err
	}
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+m.Prefix+versionTable).Scan(&s.version); err != nil {
		return s, fmt.Errorf("read the version of %s: %w", m.name(), err)
	}
	s.oldest = s.version
	if compatible {
		if err := db.QueryRowContext(ctx, "SELECT max(oldest) FROM "+m.Prefix+compatibilityTable).Scan(&s.oldest); err != nil {
			return s, fmt.Errorf("read what works on %s: %w", m.name(), err)
		}
	}
	return s, nil
}

// Script returns the SQL that does what Up would do, for someone else to run.
func (m SQLite) Script(ctx context.Context, db *sql.DB) (string, error) {
	s, err := m.state(ctx, db)
	if err != nil {
		return "", err
	}
	if _, err := s.isCurrent(m.name(), m.Files); err != nil {
		return "", err
	}
	versions := m.Prefix + versionTable
	script := script{}
	script.line("BEGIN IMMEDIATE;")
	if s.version == 0 {
		script.line("CREATE TABLE " + versions + ` (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    version_id INTEGER NOT NULL,
    is_applied INTEGER NOT NULL,
    tstamp     TIMESTAMP DEFAULT (datetime('now'))
);`)
		script.line("INSERT INTO " + versions + " (version_id, is_applied) VALUES (0, 1);")
	}
	if err := script.migrations(m.Files, versions, s.version); err != nil {
		return "", err
	}
	script.line("COMMIT;")
	return script.String(), nil
}
