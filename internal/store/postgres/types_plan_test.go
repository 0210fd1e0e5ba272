package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestTypesAreReadByIndexes, however long the history is and however many types there are, with any
// plan of a session.
func TestTypesAreReadByIndexes(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 500)
	execute(t, openPool(t, testdb.As(url, "postgres")), `
		INSERT INTO eventfeed.events (feed, id, source, type, time)
			SELECT 1, n::text, '/f', 'type ' || n % 50000, now() FROM generate_series(1, 100000) n;
		INSERT INTO eventfeed.positions (feed, position, insert_no, digest, recorded)
			SELECT 1, insert_no, insert_no, decode(repeat('00', 32), 'hex'), now() FROM eventfeed.events;
		INSERT INTO eventfeed.event_types SELECT 1, 'type ' || n, '', 2, n, n FROM generate_series(1, 50000) n;
		ANALYZE`)
	for name, test := range map[string]struct {
		read func(log store.Snapshot) error
		most int // rows of a node of a plan
	}{
		"archived": {func(log store.Snapshot) error {
			_, err := log.ArchivedTypes(t.Context(), 1, feed.TypeKey{Type: "type 40000"}, 51)
			return err
		}, 51},
		"has": {func(log store.Snapshot) error {
			has, err := log.HasType(t.Context(), 1, "type 40000")
			if !has {
				t.Error("no type 40000")
			}
			return err
		}, 1},
		"not archived": {func(log store.Snapshot) error {
			_, err := log.CountTypes(t.Context(), 1, 99_501, 100_000)
			return err
		}, 500},
	} {
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			conn, plans := explained(t, url, "SET plan_cache_mode = "+mode)
			must.OK(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error { return test.read(postgres.SnapshotOf(tx)) }))
			for _, bad := range []string{"Seq Scan", "Bitmap", "Hash Join", "Merge"} {
				if strings.Contains(plans.String(), bad) {
					t.Errorf("%s, %s: the plan has a node %s:\n%s", name, mode, bad, plans)
				}
			}
			if most := mostRows(t, plans.String()); most == 0 || most > test.most {
				t.Errorf("%s, %s: a node has %d rows, want at most %d:\n%s", name, mode, most, test.most, plans)
			}
		}
	}
}
