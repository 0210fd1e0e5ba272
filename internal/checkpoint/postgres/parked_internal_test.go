package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

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
	must.OK(t, s.Prepare(t.Context()))
	_, err = pool.Exec(t.Context(), `
		INSERT INTO eventfeed_seed.parked (consumer, feed_id, position, feed, id, type, subject, live, event, error, attempts)
			SELECT CASE WHEN n % 2 = 0 THEN 'c' ELSE 'other' END, 'urn:' || (n % 3), n, 'f', 'id' || n, 'T', 's', false, '', CASE WHEN n % 10 = 0 THEN 'broken' ELSE '' END, 1
			FROM generate_series(1, 30000) n`)
	must.OK(t, err)
	_, err = pool.Exec(t.Context(), "ANALYZE eventfeed_seed.parked")
	must.OK(t, err)
	found, err := s.FailedParked(t.Context(), "c", 12)
	must.OK(t, err)
	if len(found) != 12 || found[0].FeedID != "urn:0" || found[0].Position != 30 || found[11].Position != 360 || found[0].Error != "broken" || found[0].ID != "id30" {
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
