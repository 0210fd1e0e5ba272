package migrate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/db/migrate"
	migratepostgres "github.com/eventfeed/eventfeed/internal/db/migrate/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// kind is a kind of database: how to open a log in it, and how to run a
// statement on its own.
type kind struct {
	url     string
	open    func(ctx context.Context) (store.Backend, error)
	execute func(t *testing.T, statement string) error
}

func kinds(t *testing.T) map[string]kind {
	t.Helper()
	postgresURL, sqliteURL := testdb.Postgres(t), testdb.SQLite(t)
	path, err := sqlitedb.Path(sqliteURL)
	must.OK(t, err)
	return map[string]kind{
		"postgres": {postgresURL,
			func(ctx context.Context) (store.Backend, error) { return postgres.Open(ctx, postgresURL, true) },
			func(t *testing.T, statement string) error {
				pool, err := pgxpool.New(t.Context(), postgresURL)
				must.OK(t, err)
				defer pool.Close()
				_, err = pool.Exec(t.Context(), tables("eventfeed.").Replace(statement))
				return err
			}},
		"sqlite": {sqliteURL,
			func(ctx context.Context) (store.Backend, error) { return sqlite.Open(ctx, path, true) },
			func(t *testing.T, statement string) error {
				db, err := sql.Open("sqlite", path)
				must.OK(t, err)
				defer func() { _ = db.Close() }()
				_, err = db.ExecContext(t.Context(), tables("eventfeed_").Replace(statement))
				return err
			}},
	}
}

func tables(prefix string) *strings.Replacer {
	return strings.NewReplacer("VERSIONS", prefix+"schema_version", "COMPATIBILITY", prefix+"schema_compatibility")
}

func TestProgramsThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	for name, k := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var group errgroup.Group
			for range 24 {
				group.Go(func() error {
					l, err := k.open(t.Context())
					if err == nil {
						l.Close()
					}
					return err
				})
			}
			must.OK(t, group.Wait())
			l := storetest.Open(t, k.url)
			storetest.Create(t, l, "f", 0)
		})
	}
}

// A newer schema says which programs work on it still.
func TestNewerSchemaIsUsedIfItAllowsThat(t *testing.T) {
	t.Parallel()
	for name, k := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := k.open(t.Context())
			must.OK(t, err)
			l.Close()
			must.OK(t, k.execute(t, "INSERT INTO VERSIONS (version_id, is_applied) VALUES (1000, true)"))
			storetest.Create(t, storetest.Open(t, k.url), "f", 0)
			must.OK(t, k.execute(t, "UPDATE COMPATIBILITY SET oldest = 1000"))
			if _, err := k.open(t.Context()); !errors.Is(err, migrate.ErrTooNew) {
				t.Errorf("opened with %v", err)
			}
		})
	}
}

// Logical replication brings the rows of the version table along, and leaves its
// sequence where it was.
func TestSchemaIsMigratedWhereTheVersionTablesSequenceIsBehind(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), testdb.Postgres(t))
	must.OK(t, err)
	defer pool.Close()
	files := fstest.MapFS{}
	for n := 1; n <= 3; n++ {
		files[fmt.Sprintf("%03d_table.sql", n)] = &fstest.MapFile{Data: fmt.Appendf(nil, "-- +goose Up\nCREATE TABLE shop.t%d ();\n", n)}
		schema := migratepostgres.Migrations{Schema: "shop", Files: files}
		if n < 3 {
			must.OK(t, schema.Up(t.Context(), pool))
		} else {
			script, err := schema.Script(t.Context(), pool)
			must.OK(t, err)
			_, err = pool.Exec(t.Context(), script)
			must.OK(t, err)
		}
		_, err := pool.Exec(t.Context(), "ALTER SEQUENCE shop.schema_version_id_seq RESTART")
		must.OK(t, err)
	}
}
