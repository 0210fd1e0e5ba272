package postgres_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/db/migrate"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// Servers and writers have the rights that their work needs and no others.
func TestRolesMayDoNothingButTheirWork(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	for user, statements := range map[string]map[string]bool{
		testdb.Writer: {
			"SELECT eventfeed.append('f', 'T', 's', '{}')":                      true,
			"SELECT eventfeed.append('f', 'T', 's', '{}'::jsonb)":               true,
			"SELECT eventfeed.append_bytes('f', 'T', 's', '\\x00', 'x/y')":      true,
			"SELECT eventfeed.uuidv7()":                                         true,
			"SELECT count(*) FROM eventfeed.events":                             false,
			"SELECT count(*) FROM eventfeed.feeds":                              false,
			"INSERT INTO eventfeed.pending VALUES (1, 1)":                       false,
			"UPDATE eventfeed.feeds SET position = 0":                           false,
			"CREATE TABLE eventfeed.mine ()":                                    false,
			"SELECT eventfeed.append_or_refuse('f', '', 's', '', 'x/y')":        true,
			"SELECT eventfeed.refusal('', '', '', '', now(), '', '', '{}', '')": true,
			"SELECT count(*) FROM eventfeed.refused":                            false,
		},
		testdb.Server: {
			"SELECT count(*) FROM eventfeed.events":                       true,
			"UPDATE eventfeed.feeds SET title = title":                    true,
			"DELETE FROM eventfeed.pending WHERE feed = 0":                false,
			"DELETE FROM eventfeed.refused WHERE feed = 0":                true,
			"INSERT INTO eventfeed.refused (feed, reason) VALUES (1, '')": false,
			"INSERT INTO eventfeed.events (feed, id) VALUES (1, '1')":     false,
			"INSERT INTO eventfeed.pending VALUES (1, 1)":                 false,
			"UPDATE eventfeed.events SET type = 'x'":                      false,
			"DELETE FROM eventfeed.events":                                false,
			"DELETE FROM eventfeed.positions":                             false,
			"DELETE FROM eventfeed.feeds":                                 false,
			"ALTER TABLE eventfeed.events DISABLE TRIGGER ALL":            false,
			"INSERT INTO eventfeed.schema_version VALUES (99, 99, true)":  false,
			"UPDATE eventfeed.schema_compatibility SET oldest = 1":        false,
		},
	} {
		pool := openPool(t, testdb.As(url, user))
		for statement, allowed := range statements {
			if _, err := pool.Exec(t.Context(), statement); (err == nil) != allowed {
				t.Errorf("%s: %s: %v, want allowed %v", user, statement, err, allowed)
			}
		}
	}
}

func TestServerThatMayNotMigrateSaysThatTheSchemaIsOld(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	if _, err := postgres.Open(t.Context(), url, false); !errors.Is(err, migrate.ErrNone) {
		t.Errorf("without a schema: %v", err)
	}
	script, err := postgres.MigrationScript(t.Context(), url)
	storetest.Must(t, err)
	before, _, _ := strings.Cut(script, "-- 004_")
	_, err = openPool(t, url).Exec(t.Context(), before+"COMMIT")
	storetest.Must(t, err)
	if _, err := postgres.Open(t.Context(), url, false); !errors.Is(err, migrate.ErrTooOld) {
		t.Errorf("with an older schema: %v", err)
	}
	storetest.Create(t, storetest.Open(t, url), "f", 0) // migrates first
}

// What --print prints does what migrate does, on an empty database and on an
// older one.
func TestMigrationScriptMakesTheSameSchema(t *testing.T) {
	t.Parallel()
	migrated := testdb.Postgres(t)
	storetest.Must(t, postgres.Migrate(t.Context(), migrated))
	want := dump(t, migrated)

	empty := testdb.Postgres(t)
	script, err := postgres.MigrationScript(t.Context(), empty)
	storetest.Must(t, err)
	_, err = openPool(t, empty).Exec(t.Context(), script)
	storetest.Must(t, err)
	if got := dump(t, empty); got != want {
		t.Errorf("on an empty database:\n%s\nwant\n%s", got, want)
	}
	if _, err := openPool(t, empty).Exec(t.Context(), script); err == nil {
		t.Error("the script ran twice")
	}

	older := testdb.Postgres(t)
	before, _, _ := strings.Cut(script, "-- 002_")
	_, err = openPool(t, older).Exec(t.Context(), before+"COMMIT")
	storetest.Must(t, err)
	script, err = postgres.MigrationScript(t.Context(), older)
	storetest.Must(t, err)
	if strings.Contains(script, "-- 001_") {
		t.Error("what is there is in the script again")
	}
	_, err = openPool(t, older).Exec(t.Context(), script)
	storetest.Must(t, err)
	if got := dump(t, older); got != want {
		t.Errorf("on an older database:\n%s\nwant\n%s", got, want)
	}
	if _, err := postgres.Open(t.Context(), testdb.As(older, testdb.Server), false); err != nil {
		t.Errorf("as a server: %v", err)
	}
}

// dump returns what is in the schema, rights and all.
func dump(t *testing.T, url string) string {
	t.Helper()
	program := filepath.Join(testdb.PostgresBin(t), "pg_dump")
	out, err := exec.CommandContext(t.Context(), program, "--schema=eventfeed", "--schema-only", "--dbname", url).Output()
	storetest.Must(t, err)
	var kept []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "\\") { // pg_dump's own, with a key of each run
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// TestMigrationWaitsForALongTransactionAndWritersDoNot: it stands in the
// migration's way and has to be waited for, but by nobody else.
func TestMigrationWaitsForALongTransactionAndWritersDoNot(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	pool := openPool(t, url)
	script, err := postgres.MigrationScript(t.Context(), url)
	storetest.Must(t, err)
	before, _, _ := strings.Cut(script, "-- 004_")
	_, err = pool.Exec(t.Context(), before+`
		INSERT INTO eventfeed.feeds (name, id, title, author, page_size, page_bytes, modified, identity, digest)
		VALUES ('f', 'urn:f', 'f', 'f', 10, 1000, now(), '', sha256('')); COMMIT`)
	storetest.Must(t, err)
	const write = "SELECT eventfeed.append('f', 'T', 's', '{}')"
	long, err := pool.Begin(t.Context())
	storetest.Must(t, err)
	defer func() { _ = long.Rollback(context.Background()) }()
	_, err = long.Exec(t.Context(), write)
	storetest.Must(t, err)

	migrated := make(chan error, 1)
	go func() { migrated <- postgres.Migrate(t.Context(), url) }()
	waiting := "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%ALTER TABLE%'"
	for seen := false; !seen; {
		storetest.Must(t, pool.QueryRow(t.Context(), waiting).Scan(&seen))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 20 {
		_, err = pool.Exec(ctx, write)
		storetest.Must(t, err)
	}
	select {
	case err := <-migrated:
		t.Fatalf("migrated beside the long transaction: %v", err)
	default:
	}
	storetest.Must(t, long.Commit(t.Context()))
	storetest.Must(t, <-migrated)
}
