package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestAnEntityIsReadByIndexes, with any plan of a session, between two entities of many events.
func TestAnEntityIsReadByIndexes(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	created := storetest.CreateWithEntities(t, storetest.Open(t, url), "e")
	const each = 20_000
	execute(t, openPool(t, testdb.As(url, "postgres")), fmt.Sprintf(`
		INSERT INTO eventfeed.events (feed, id, source, type, subject, time)
			SELECT 1, n, '/e', 'T', 'large ' || n %% 2, '2026-01-01'::timestamptz + n * interval '1 min' FROM generate_series(1, %d) n;
		INSERT INTO eventfeed.positions (feed, position, insert_no, digest, recorded)
			SELECT 1, insert_no, insert_no, decode(repeat('00', 32), 'hex'), time FROM eventfeed.events;
		INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no)
			SELECT 1, subject, row_number() OVER (PARTITION BY subject ORDER BY insert_no), insert_no FROM eventfeed.events;
		INSERT INTO eventfeed.entities (feed, subject, version) SELECT 1, subject, count(*) FROM eventfeed.events GROUP BY subject;
		INSERT INTO eventfeed.snapshots (feed, subject, name, revision, version, insert_no, state)
			SELECT 1, 'large ' || n, 'balance', 'r1', 1, 2 - n, '' FROM generate_series(0, 2000) n;
		INSERT INTO eventfeed.entities (feed, subject, version) SELECT 1, 'small ' || n, 1 FROM generate_series(1, 2000) n;
		ANALYZE`, 2*each))
	ctx, f := t.Context(), &store.Feed{Key: 1, ID: created.ID, Epochs: created.Epochs, Published: 2 * each}
	const subject = "large 1"
	nothing := func(*store.EntityRow) error { return nil }
	day := time.Date(2026, 1, 8, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		read func(log store.Snapshot) error
		most int // rows of a node of a plan
	}{
		"end": {func(log store.Snapshot) error { _, err := store.ReadEntityEnd(ctx, log, f, subject); return err }, 1},
		"end before much that is not published": {func(log store.Snapshot) error {
			_, err := store.ReadEntityEnd(ctx, log, &store.Feed{Key: 1, Published: 5000}, subject)
			return err
		}, 1},
		"rows":    {func(log store.Snapshot) error { return log.EntityRows(ctx, 1, subject, 901, 1000, 0, nothing) }, 100},
		"outline": {func(log store.Snapshot) error { _, err := log.EntityOutline(ctx, 1, subject, 501, 1000); return err }, 500},
		"document": {func(log store.Snapshot) error {
			_, err := store.EntityDocument(ctx, log, f, subject, 10_300)
			return err
		}, feed.EntityArchiveSize},
		"archive": {func(log store.Snapshot) error {
			_, err := store.FindEntityArchive(ctx, log, f, subject, each, feed.EntityArchive{Epoch: f.Epoch(), Last: 9500})
			return err
		}, feed.EntityArchiveSize},
		"day": {func(log store.Snapshot) error {
			_, err := store.ReadEntityPeriod(ctx, log, f, subject, each, day, day.AddDate(0, 0, 1))
			return err
		}, 1001},
		"snapshots": {func(log store.Snapshot) error { _, err := log.EntitySnapshots(ctx, 1, subject); return err }, 1},
	} {
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			conn, plans := explained(t, url, "SET plan_cache_mode = "+mode)
			must.OK(t, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return test.read(postgres.SnapshotOf(tx)) }))
			for _, bad := range []string{"Seq Scan", "Hash Join", "Merge", "Materialize"} {
				if strings.Contains(plans.String(), bad) {
					t.Errorf("%s, %s: the plan has a node %s:\n%s", name, mode, bad, plans)
				}
			}
			if most := mostRows(t, plans.String()); most == 0 || most > test.most {
				t.Errorf("%s, %s: a node has %d rows, want at most %d:\n%s", name, mode, most, test.most, plans)
			}
			if statements := strings.Count(plans.String(), "Query Text"); statements > 40 {
				t.Errorf("%s: %d statements", name, statements)
			}
		}
	}
}
