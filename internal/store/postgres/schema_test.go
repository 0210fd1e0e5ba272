package postgres_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/db/migrate"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// Servers, writers and those who load entities have the rights that their work needs and no others.
func TestRolesMayDoNothingButTheirWork(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	storetest.CreateWithEntities(t, storetest.Open(t, url), "e")
	for user, statements := range map[string]map[string]bool{
		testdb.Writer: {
			"SELECT eventfeed.append('f', 'T', 's', '{}')":                         true,
			"SELECT eventfeed.append('f', 'T', 's', '{}'::jsonb)":                  true,
			"SELECT eventfeed.append_bytes('f', 'T', 's', '\\x00', 'x/y')":         true,
			"SELECT eventfeed.uuidv7()":                                            true,
			"SELECT count(*) FROM eventfeed.events":                                false,
			"SELECT count(*) FROM eventfeed.feeds":                                 false,
			"INSERT INTO eventfeed.pending VALUES (1, 1)":                          false,
			"UPDATE eventfeed.feeds SET position = 0":                              false,
			"CREATE TABLE eventfeed.mine ()":                                       false,
			"SELECT eventfeed.append_or_refuse('f', '', 's', '', 'x/y')":           true,
			"SELECT eventfeed.refusal('', '', '', '', now(), '', '', '{}', '')":    true,
			"SELECT count(*) FROM eventfeed.refused":                               false,
			"SELECT eventfeed.append('e', 'T', 's', '{}', expected_version => 0)":  true,
			"SELECT eventfeed.append('f', 'T', 's', '{}', expected_version => 0)":  false,
			"SELECT count(*) FROM eventfeed.load('e', 's')":                        false,
			"SELECT eventfeed.version('e', 's')":                                   false,
			"SELECT count(*) FROM eventfeed.snapshots('e', 'n', 'r')":              false,
			"SELECT eventfeed.position('e', NULL, '1')":                            false,
			"SELECT eventfeed.save_snapshot('e', 's', 'n', 'r', 1, '1', NULL, '')": false,
			"SELECT eventfeed.lock_pending()":                                      false,
			"SELECT eventfeed.entity_feed('e')":                                    false,
			"SELECT eventfeed.settle_versions(2, 'e', '{s}', '{0}', '{s}', NULL)":  false,
			"SELECT eventfeed.with_auth('{}')":                                     false,
			"SELECT count(*) FROM eventfeed.entities":                              false,
			"SELECT count(*) FROM eventfeed.entity_events":                         false,
			"SELECT count(*) FROM eventfeed.snapshots":                             false,
			"UPDATE eventfeed.entity_feeds SET entities = false":                   false,
			"UPDATE eventfeed.entities SET version = 0":                            false,
		},
		testdb.Entities: {
			"SELECT count(*) FROM eventfeed.load('e', 's')":                                            true,
			"SELECT count(*) FROM eventfeed.snapshots('e', 'n', 'r')":                                  true,
			"SELECT eventfeed.version('e', 's')":                                                       true,
			"SELECT eventfeed.save_snapshot('e', 's', 'n', 'r', 1, '1', NULL, '')":                     true,
			"SELECT eventfeed.append('e', 'T', 's', '{}')":                                             false,
			"SELECT eventfeed.append_many('e', NULL, NULL, '{T}', NULL, NULL, NULL, NULL, NULL, NULL)": false,
			"SELECT eventfeed.append_or_refuse('e', 'T', 's', '', 'x/y')":                              false,
			"SELECT eventfeed.lock_pending()":                                                          false,
			"SELECT eventfeed.set_sequences()":                                                         false,
			"SELECT count(*) FROM eventfeed.events":                                                    false,
			"SELECT count(*) FROM eventfeed.feeds":                                                     false,
			"SELECT count(*) FROM eventfeed.snapshots":                                                 false,
			"DELETE FROM eventfeed.snapshots":                                                          false,
			"INSERT INTO eventfeed.entities VALUES (1, 's', 1)":                                        false,
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
			"DELETE FROM eventfeed.entity_events":                         false,
			"UPDATE eventfeed.entity_events SET version = 1":              false,
			"DELETE FROM eventfeed.entities":                              false,
			"DELETE FROM eventfeed.entity_feeds":                          false,
			"INSERT INTO eventfeed.snapshots (feed) VALUES (1)":           false,
			"SELECT eventfeed.lock_pending()":                             true,
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

// A name that a program writes by SQL is a name that readers accept, and the other way round.
func TestTheDatabaseRefusesTheNamesThatReadersRefuse(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	pool := openPool(t, url)
	for _, name := range []string{
		"a", "orders", "2026.orders_v-2", "atom", "gz", "orders.atom.v2", "orders-gz", strings.Repeat("a", 63),
		"", ".", "..", "-a", "Orders", "a/b", "a b", "ä", "a\n", strings.Repeat("a", 64),
		"orders.atom", "orders.gz", "orders.gz.atom", ".atom", "orders.atom\n",
	} {
		_, err := pool.Exec(t.Context(), "UPDATE eventfeed.feeds SET name = $1", name)
		if valid := feed.ValidName(name); (err == nil) != valid {
			t.Errorf("%q: %v, and valid is %t", name, err, valid)
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
