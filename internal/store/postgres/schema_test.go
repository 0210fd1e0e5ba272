package postgres_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/db/migrate"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
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

func TestServerThatMayNotMigrateSaysThatThereIsNoSchema(t *testing.T) {
	t.Parallel()
	if _, err := postgres.Open(t.Context(), testdb.Postgres(t), false); !errors.Is(err, migrate.ErrNone) {
		t.Errorf("without a schema: %v", err)
	}
}

// What --print prints does what migrate does, rights and all.
func TestMigrationScriptMakesTheSameSchema(t *testing.T) {
	t.Parallel()
	migrated := testdb.Postgres(t)
	must.OK(t, postgres.Migrate(t.Context(), migrated))
	want := dump(t, migrated)

	empty := testdb.Postgres(t)
	script, err := postgres.MigrationScript(t.Context(), empty)
	must.OK(t, err)
	_, err = openPool(t, empty).Exec(t.Context(), script)
	must.OK(t, err)
	if got := dump(t, empty); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if _, err := openPool(t, empty).Exec(t.Context(), script); err == nil {
		t.Error("the script ran twice")
	}

	if _, err := postgres.Open(t.Context(), testdb.As(empty, testdb.Server), false); err != nil {
		t.Errorf("as a server: %v", err)
	}
}

// dump returns what is in the schema, rights and all.
func dump(t *testing.T, url string) string {
	t.Helper()
	program := filepath.Join(need.PostgresBin(t), "pg_dump")
	out, err := exec.CommandContext(t.Context(), program, "--schema=eventfeed", "--schema-only", "--dbname", url).Output()
	must.OK(t, err)
	var kept []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "\\") { // pg_dump's own, with a key of each run
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
