package migrate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/db/migrate"
	migratepostgres "github.com/eventfeed/eventfeed/internal/db/migrate/postgres"
	migratesqlite "github.com/eventfeed/eventfeed/internal/db/migrate/sqlite"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// shop is a schema of so many steps.
func shop(steps int, prefix string) fs.FS {
	all := []string{
		"CREATE TABLE shop_orders (id INTEGER);",
		"ALTER TABLE shop_orders ADD COLUMN note TEXT;",
	}
	files := fstest.MapFS{}
	for i, step := range all[:steps] {
		step = "-- +goose Up\n" + strings.ReplaceAll(step, "shop_", prefix) + "\n"
		files[fmt.Sprintf("%03d_step.sql", i+1)] = &fstest.MapFile{Data: []byte(step)}
	}
	return files
}

// program is one that knows so many steps of the shop's schema.
type program struct {
	up, check func(ctx context.Context) error
	script    func(ctx context.Context) (string, error)
	execute   func(ctx context.Context, statements string) error
	columns   string // a query for what the schema has
}

// opened returns programs that work on one empty database, each over connections of
// its own.
func opened(t *testing.T) map[string]func(t *testing.T, steps int) program {
	t.Helper()
	url := testdb.Postgres(t)
	path, err := sqlitedb.Path(testdb.SQLite(t))
	must.OK(t, err)
	return map[string]func(t *testing.T, steps int) program{
		"postgres": func(t *testing.T, steps int) program {
			pool, err := pgxpool.New(t.Context(), url)
			must.OK(t, err)
			t.Cleanup(pool.Close)
			schema := migratepostgres.Migrations{Schema: "shop", Files: shop(steps, "shop.")}
			return program{
				up:     func(ctx context.Context) error { return schema.Up(ctx, pool) },
				check:  func(ctx context.Context) error { return schema.Check(ctx, pool) },
				script: func(ctx context.Context) (string, error) { return schema.Script(ctx, pool) },
				execute: func(ctx context.Context, statements string) error {
					_, err := pool.Exec(ctx, statements)
					return err
				},
				columns: "DO $$ BEGIN PERFORM id, note FROM shop.orders; END $$",
			}
		},
		"sqlite": func(t *testing.T, steps int) program {
			db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(60000)")
			must.OK(t, err)
			t.Cleanup(func() { _ = db.Close() })
			schema := migratesqlite.Migrations{Prefix: "shop_", Files: shop(steps, "shop_")}
			return program{
				up:     func(ctx context.Context) error { return schema.Up(ctx, db) },
				check:  func(ctx context.Context) error { return schema.Check(ctx, db) },
				script: func(ctx context.Context) (string, error) { return schema.Script(ctx, db) },
				execute: func(ctx context.Context, statements string) error {
					_, err := db.ExecContext(ctx, statements)
					return err
				},
				columns: "SELECT id, note FROM shop_orders",
			}
		},
	}
}

func TestManyProgramsTakeSeveralStepsAtTheSameTime(t *testing.T) {
	t.Parallel()
	for name, open := range opened(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			must.OK(t, open(t, 1).up(t.Context()))
			var group errgroup.Group
			for range 12 {
				p := open(t, 2)
				group.Go(func() error { return p.up(t.Context()) })
			}
			must.OK(t, group.Wait())
			p := open(t, 2)
			must.OK(t, p.check(t.Context()))
			must.OK(t, p.execute(t.Context(), p.columns))
		})
	}
}

// A program that may not migrate says what is missing, and takes what is newer only
// where the schema says that it may.
func TestCheckTellsNoneFromOldFromNew(t *testing.T) {
	t.Parallel()
	for name, open := range opened(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			older, newer := open(t, 1), open(t, 2)
			if err := newer.check(t.Context()); !errors.Is(err, migrate.ErrNone) {
				t.Errorf("without a schema: %v", err)
			}
			must.OK(t, older.up(t.Context()))
			must.OK(t, older.check(t.Context()))
			if err := newer.check(t.Context()); !errors.Is(err, migrate.ErrTooOld) || !strings.Contains(err.Error(), "at version 1, this program needs 2") {
				t.Errorf("on an older one: %v", err)
			}
			must.OK(t, newer.up(t.Context()))
			for what, err := range map[string]error{"checked": older.check(t.Context()), "migrated": older.up(t.Context())} {
				if !errors.Is(err, migrate.ErrTooNew) {
					t.Errorf("an older program %s a newer schema: %v", what, err)
				}
			}
		})
	}
}

// What --print prints does what migrate does, from any version on, and only once.
func TestScriptTakesTheStepsThatAreMissing(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 1} {
		for name, open := range opened(t) {
			t.Run(fmt.Sprintf("%s from %d", name, before), func(t *testing.T) {
				t.Parallel()
				if before > 0 {
					must.OK(t, open(t, before).up(t.Context()))
				}
				p := open(t, 2)
				script, err := p.script(t.Context())
				must.OK(t, err)
				if strings.Contains(script, "-- 001_") != (before == 0) {
					t.Errorf("the script from version %d:\n%s", before, script)
				}
				must.OK(t, p.execute(t.Context(), script))
				must.OK(t, p.check(t.Context()))
				must.OK(t, p.execute(t.Context(), p.columns))
				if err := open(t, 2).execute(t.Context(), script); err == nil {
					t.Error("the script ran twice")
				}
			})
		}
	}
}

// A long transaction stands in a migration's way and has to be waited for, but by
// nobody else.
func TestMigrationWaitsForALongTransactionAndWritersDoNot(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), testdb.Postgres(t))
	must.OK(t, err)
	defer pool.Close()
	files := shop(2, "shop.").(fstest.MapFS)
	must.OK(t, migratepostgres.Migrations{Schema: "shop", Files: shop(1, "shop.")}.Up(t.Context(), pool))
	// As each migration of a table that is in use is written.
	alter := files["002_step.sql"]
	alter.Data = []byte(strings.Replace(string(alter.Data), "ALTER", "SET LOCAL lock_timeout = '2s';\nALTER", 1))

	const write = "INSERT INTO shop.orders VALUES (1)"
	long, err := pool.Begin(t.Context())
	must.OK(t, err)
	defer func() { _ = long.Rollback(context.Background()) }()
	_, err = long.Exec(t.Context(), write)
	must.OK(t, err)
	migrated := make(chan error, 1)
	go func() { migrated <- migratepostgres.Migrations{Schema: "shop", Files: files}.Up(t.Context(), pool) }()
	waiting := "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%ALTER TABLE%'"
	for seen := false; !seen; {
		must.OK(t, pool.QueryRow(t.Context(), waiting).Scan(&seen))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 20 {
		_, err = pool.Exec(ctx, write)
		must.OK(t, err)
	}
	select {
	case err := <-migrated:
		t.Fatalf("migrated beside the long transaction: %v", err)
	default:
	}
	must.OK(t, long.Commit(t.Context()))
	must.OK(t, <-migrated)
}
