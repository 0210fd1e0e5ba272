package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	migratesqlite "github.com/eventfeed/eventfeed/internal/db/migrate/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schema returns the migrations of eventfeed's tables.
func schema() migratesqlite.Migrations {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return migratesqlite.Migrations{Prefix: "eventfeed_", Files: files}
}

// Migrate upgrades the tables in the database file at path.
func Migrate(ctx context.Context, path string) error {
	l, err := Open(ctx, path, true)
	if err != nil {
		return err
	}
	l.Close()
	return nil
}

// MigrationScript returns the SQL that Migrate would run. It does not create the file.
func MigrationScript(ctx context.Context, path string) (string, error) {
	open := func() (*sql.DB, error) { return sqlitedb.OpenReader(ctx, path) }
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		open = sqlitedb.OpenEmpty
	}
	db, err := open()
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }()
	script, err := schema().Script(ctx, db)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return script, nil
}
