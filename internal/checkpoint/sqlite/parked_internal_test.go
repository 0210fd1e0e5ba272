package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// TestFailedParkedReadsByItsIndexOnly, however many events wait for those that failed.
func TestFailedParkedReadsByItsIndexOnly(t *testing.T) {
	t.Parallel()
	s := &Session{path: filepath.Join(t.TempDir(), "target.db")}
	t.Cleanup(s.Close)
	must.OK(t, s.Prepare(t.Context()))
	if found, err := s.FailedParked(t.Context(), "c", 5); err != nil || len(found) > 0 {
		t.Fatalf("while none are parked: %v, %v", found, err)
	}
	_, err := s.db.ExecContext(t.Context(), `
		INSERT INTO eventfeed_parked (consumer, feed_id, position, feed, id, type, subject, live, event, error, attempts, parked)
			WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 30000)
			SELECT CASE WHEN n % 2 = 0 THEN 'c' ELSE 'other' END, 'urn:' || (n % 3), n, 'f', 'id' || n, 'T', 's', 0, '', CASE WHEN n % 10 = 0 THEN 'broken' ELSE '' END, 1, '2026-01-01T00:00:00Z'
			FROM numbers`)
	must.OK(t, err)
	found, err := s.FailedParked(t.Context(), "c", 12)
	must.OK(t, err)
	if len(found) != 12 || found[0].FeedID != "urn:0" || found[0].Position != 30 || found[11].Position != 360 || found[0].Error != "broken" || found[0].ID != "id30" {
		t.Errorf("%d found: %+v", len(found), found)
	}
	scan := func(row sqlitedb.Row) (detail string, err error) {
		var id, parent, unused int
		err = row.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}
	steps, err := sqlitedb.CollectRows(t.Context(), s.db, scan, "EXPLAIN QUERY PLAN "+selectFailed, "c", 51)
	must.OK(t, err)
	if plan := strings.Join(steps, "\n"); plan != "SEARCH eventfeed_parked USING INDEX eventfeed_parked_failed (consumer=?)" {
		t.Errorf("the plan:\n%s", plan)
	}
}
