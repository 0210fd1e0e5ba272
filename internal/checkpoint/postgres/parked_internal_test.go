package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestFailedParkedReadsByItsIndexOnly, however many events wait for those that failed.
func TestFailedParkedReadsByItsIndexOnly(t *testing.T) {
	t.Parallel()
	pool, err := postgresdb.Open(t.Context(), testdb.Postgres(t), 2)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	s := &Session{pool: pool}
	if found, err := s.FailedParked(t.Context(), "c", 5); err != nil || len(found) > 0 {
		t.Fatalf("without tables: %v, %v", found, err)
	}
	if none, err := s.Failures(t.Context(), "c"); err != nil || none.Events != 0 {
		t.Fatalf("while none are parked: %+v, %v", none, err)
	}
	must.OK(t, s.Prepare(t.Context()))
	_, err = pool.Exec(t.Context(), `
		INSERT INTO eventfeed_seed.parked (consumer, feed_id, position, feed, id, type, subject, live, event, error, attempts)
			SELECT CASE WHEN n % 2 = 0 THEN 'c' ELSE 'other' END, 'urn:' || (n % 3), n, 'f', 'id' || n, 'T', CASE WHEN n % 50 = 0 THEN '' ELSE 's' || n END, false, '', CASE WHEN n % 10 = 0 THEN 'broken ' || (n % 7) ELSE '' END, 1
			FROM generate_series(1, 30000) n`)
	must.OK(t, err)
	_, err = pool.Exec(t.Context(), "ANALYZE eventfeed_seed.parked")
	must.OK(t, err)
	checkFailures(t, s)
	found, err := s.FailedParked(t.Context(), "c", 12)
	must.OK(t, err)
	if len(found) != 12 || found[0].FeedID != "urn:0" || found[0].Position != 30 || found[11].Position != 360 || found[0].Error != "broken 2" || found[0].ID != "id30" {
		t.Errorf("%d found: %+v", len(found), found)
	}
	rows, err := pool.Query(t.Context(), "EXPLAIN "+selectFailed, "c", 51)
	must.OK(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must.OK(t, err)
	plan := strings.Join(lines, "\n")
	if !strings.Contains(plan, "Index Scan using parked_failed") || strings.Contains(plan, "Sort") || strings.Contains(plan, "Filter") {
		t.Errorf("the plan:\n%s", plan)
	}
}

// checkFailures checks that the first thousand events that failed are counted, and no more are read.
func checkFailures(t *testing.T, s *Session) {
	t.Helper()
	_, err := s.pool.Exec(t.Context(), `
		INSERT INTO eventfeed_seed.parked (consumer, feed_id, position, feed, id, type, subject, live, event, error)
			SELECT 'many', 'urn:1', n, 'f', 'id' || n, 'T', CASE WHEN n % 5 = 0 THEN '' ELSE 's' || n END, false, convert_to(format('{"specversion":"1.0","id":"x","source":"/shop","type":"T","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","data":{"n":%s}}', CASE WHEN n = 2 THEN '"' || repeat('x', 70000) || '"' ELSE n::text END), 'UTF8'), format('broken %s (SQLSTATE 23505); Key (id)=(%s) already exists.', n % 7, n)
			FROM generate_series(1, 30000) n`)
	must.OK(t, err)
	_, err = s.pool.Exec(t.Context(), "ANALYZE eventfeed_seed.parked")
	must.OK(t, err)
	got, err := s.Failures(t.Context(), "many")
	must.OK(t, err)
	if got.Events != checkpoint.MaxFailures+1 || got.Entities != 801 || got.Errors != 7 || len(got.Frequent) != checkpoint.FrequentFailures || got.Frequent[0].Events != 143 || got.Frequent[4].Error != "broken 4 (SQLSTATE 23505)" {
		t.Errorf("%+v", got)
	}
	for i, one := range got.Frequent { // the first ones with an error are those at 1, 2, 3 …
		if e := &one.Example; e.Position != int64(i) && i > 0 || e.Error != fmt.Sprintf("%s; Key (id)=(%d) already exists.", one.Error, e.Position) || one.IsCut != (e.Position == 2) || !one.IsCut && string(e.Data) != fmt.Sprintf(`{"n":%d}`, e.Position) {
			t.Errorf("example %d: %+v", i, one)
		}
	}
	rows, err := s.pool.Query(t.Context(), "EXPLAIN "+countFailed, "many", checkpoint.MaxFailures+1, checkpoint.FrequentFailures, checkpoint.MaxExample)
	must.OK(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must.OK(t, err)
	if plan := strings.Join(lines, "\n"); !strings.Contains(plan, "Index Scan using parked_failed") || strings.Contains(plan, "Filter") {
		t.Errorf("the plan:\n%s", plan)
	}
}
