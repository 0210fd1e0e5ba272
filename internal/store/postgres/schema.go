package postgres

import (
	"context"
	"embed"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"

	migratepostgres "github.com/eventfeed/eventfeed/internal/db/migrate/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
)

//go:embed migrations/*.sql
var migrations embed.FS

// grants is the SQL that grants the roles their privileges.
//
//go:embed grants.sql
var grants string

// schema returns the migrations of eventfeed's schema.
func schema() migratepostgres.Migrations {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return migratepostgres.Migrations{Schema: "eventfeed", Files: files, Grants: grants}
}

// Migrate upgrades the schema of the database at url, and grants the roles their privileges again.
func Migrate(ctx context.Context, url string) error {
	return withPool(ctx, url, func(pool *pgxpool.Pool) error { return schema().Force(ctx, pool) })
}

// MigrationScript returns the SQL that Migrate would run.
func MigrationScript(ctx context.Context, url string) (script string, err error) {
	err = withPool(ctx, url, func(pool *pgxpool.Pool) error {
		script, err = schema().Script(ctx, pool)
		return err
	})
	return script, err
}

// withPool calls do with a pool for a database that may have no schema yet.
func withPool(ctx context.Context, url string, do func(*pgxpool.Pool) error) error {
	pool, err := postgresdb.Open(ctx, url, minConnections)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := checkServer(ctx, pool); err != nil {
		return err
	}
	return do(pool)
}
