package postgres_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// explained returns a connection whose plans are added to the text, with what each node has read.
func explained(t *testing.T, url, settings string) (*pgx.Conn, *strings.Builder) {
	t.Helper()
	config, err := pgx.ParseConfig(testdb.As(url, "postgres"))
	must.OK(t, err)
	plans := new(strings.Builder)
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { plans.WriteString(notice.Message + "\n") }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must.OK(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	_, err = conn.Exec(t.Context(), `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on;
		SET auto_explain.log_timing = off; SET client_min_messages = log;`+settings)
	must.OK(t, err)
	return conn, plans
}

var actual = regexp.MustCompile(`\(actual rows=([0-9]+)(?:\.[0-9]+)? loops=([0-9]+)\)`)

// mostRows returns the largest number of rows that a node of a plan has had.
func mostRows(t *testing.T, plan string) (most int) {
	t.Helper()
	for _, found := range actual.FindAllStringSubmatch(plan, -1) {
		rows, err := strconv.Atoi(found[1])
		must.OK(t, err)
		loops, err := strconv.Atoi(found[2])
		must.OK(t, err)
		most = max(most, rows*loops, loops)
	}
	return most
}

// TestLookupsReadFewRowsByIndexes, with any plan of a session, whatever the statistics say.
func TestLookupsReadFewRowsByIndexes(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.CreateWithEntities(t, storetest.Open(t, url), "e")
	const events = 60_000
	execute(t, openPool(t, testdb.As(url, "postgres")), fmt.Sprintf(`
		INSERT INTO eventfeed.events (feed, id, source, type, subject, time)
			SELECT 1, n, '/e', 'T', CASE WHEN n %% 2 = 0 THEN 'large' ELSE 'small ' || n %% 1000 END, now() FROM generate_series(1, %d) n;
		INSERT INTO eventfeed.positions (feed, position, insert_no, digest, recorded)
			SELECT 1, insert_no, insert_no, decode(repeat('00', 32), 'hex'), '2026-01-01'::timestamptz + insert_no * interval '1 s' FROM eventfeed.events;
		INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no)
			SELECT 1, subject, row_number() OVER (PARTITION BY subject ORDER BY insert_no), insert_no FROM eventfeed.events;
		INSERT INTO eventfeed.entities (feed, subject, version) SELECT 1, subject, count(*) FROM eventfeed.events GROUP BY subject;
		INSERT INTO eventfeed.pages (feed, page, first_position, last_position) SELECT 1, n, 10 * n - 9, 10 * n FROM generate_series(1, %d / 10) n;
		ANALYZE`, events, events))
	nothing := func(*store.ListedEvent) error { return nil }
	ctx := t.Context()
	for name, test := range map[string]struct {
		read func(log store.Snapshot) error
		most int // rows of a node of a plan
	}{
		"list": {func(log store.Snapshot) error { return log.List(ctx, 1, 1, 30_000, store.Filter{}, 51, nothing) }, 51},
		"list that matches": {func(log store.Snapshot) error {
			return log.List(ctx, 1, 1, 30_000, store.Filter{Type: "T", Subject: "large"}, 51, nothing)
		}, 110},
		"list without a match": {func(log store.Snapshot) error {
			return log.List(ctx, 1, 1, 30_000, store.Filter{Type: "U"}, 51, nothing)
		}, store.MaxSearched},
		"versions": {func(log store.Snapshot) error {
			return log.ListVersions(ctx, 1, 1, 20_000, store.Filter{Subject: "large"}, 51, nothing)
		}, 51},
		"versions without one": {func(log store.Snapshot) error {
			return log.ListVersions(ctx, 1, 1, 20_000, store.Filter{Type: "U", Subject: "large"}, 51, nothing)
		}, store.MaxSearched},
		"versions of few": {func(log store.Snapshot) error {
			return log.ListVersions(ctx, 1, 1, 100, store.Filter{Subject: "small 1"}, 51, nothing)
		}, 60},
		"recorded": {func(log store.Snapshot) error { _, err := log.RecordedAt(ctx, 1, 30_000); return err }, 1},
		"time": {func(log store.Snapshot) error {
			_, err := store.FirstRecorded(ctx, log, 1, events, time.Date(2026, 1, 1, 5, 0, 0, 0, time.UTC))
			return err
		}, 1},
		"page":                 {func(log store.Snapshot) error { _, err := store.PageAt(ctx, log, 1, events/10, 30_001); return err }, 1},
		"version of an entity": {func(log store.Snapshot) error { _, err := log.EntityVersion(ctx, 1, "large"); return err }, 1},
		"version at a position": {func(log store.Snapshot) error {
			_, err := store.VersionAt(ctx, log, 1, "large", events/2, 30_000)
			return err
		}, 1},
		"find": {func(log store.Snapshot) error { _, err := log.Find(ctx, 1, "", "30000"); return err }, 2},
	} {
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			conn, plans := explained(t, url, "SET plan_cache_mode = "+mode)
			must.OK(t, pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return test.read(postgres.SnapshotOf(tx)) }))
			for _, bad := range []string{"Seq Scan", "Bitmap", "Hash Join", "Merge", "Materialize"} {
				if strings.Contains(plans.String(), bad) {
					t.Errorf("%s, %s: the plan has a node %s:\n%s", name, mode, bad, plans)
				}
			}
			if most := mostRows(t, plans.String()); most == 0 || most > test.most {
				t.Errorf("%s, %s: a node has %d rows, want at most %d:\n%s", name, mode, most, test.most, plans)
			}
			if statements := strings.Count(plans.String(), "Query Text"); statements > 66 {
				t.Errorf("%s: %d statements", name, statements)
			}
		}
	}
}
