package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
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
	if none, err := s.Failures(t.Context(), "c"); err != nil || none.Events != 0 {
		t.Fatalf("while none are parked: %+v, %v", none, err)
	}
	_, err := s.db.ExecContext(t.Context(), `
		INSERT INTO eventfeed_parked (consumer, feed_id, position, feed, id, type, subject, live, event, error, attempts, parked)
			WITH RECURSIVE numbers (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM numbers WHERE n < 30000)
			SELECT CASE WHEN n % 2 = 0 THEN 'c' ELSE 'other' END, 'urn:' || (n % 3), n, 'f', 'id' || n, 'T', CASE WHEN n % 50 = 0 THEN '' ELSE 's' || n END, 0, CAST(format('{"specversion":"1.0","id":"x","source":"/shop","type":"T","time":"2026-01-01T00:00:00Z","datacontenttype":"application/json","data":{"n":%s}}', CASE WHEN n = 30 THEN '"' || hex(zeroblob(35000)) || '"' ELSE n END) AS BLOB), CASE WHEN n % 10 = 0 THEN 'broken ' || (n % 7) ELSE '' END, 1, '2026-01-01T00:00:00Z'
			FROM numbers`)
	must.OK(t, err)
	checkFailures(t, s)
	found, err := s.FailedParked(t.Context(), "c", 12)
	must.OK(t, err)
	if len(found) != 12 || found[0].FeedID != "urn:0" || found[0].Position != 30 || found[11].Position != 360 || found[0].Error != "broken 2" || found[0].ID != "id30" {
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

// checkFailures checks that the first thousand events that failed are counted, and no more are read.
func checkFailures(t *testing.T, s *Session) {
	t.Helper()
	got, err := s.Failures(t.Context(), "c")
	must.OK(t, err)
	if got.Events != checkpoint.MaxFailures+1 || got.Entities != 801 || got.Errors != 7 || len(got.Frequent) != checkpoint.FrequentFailures || got.Frequent[0].Events != 144 || got.Frequent[4].Error != "broken 5" {
		t.Errorf("%+v", got)
	}
	for _, one := range got.Frequent {
		if e := &one.Example; e.FeedID != "urn:0" || e.Position > 210 || e.Error != one.Error || one.IsCut != (e.Position == 30) || !one.IsCut && string(e.Data) != fmt.Sprintf(`{"n":%d}`, e.Position) {
			t.Errorf("example: %+v", one)
		}
	}
	scan := func(row sqlitedb.Row) (detail string, err error) {
		var id, parent, unused int
		err = row.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}
	steps, err := sqlitedb.CollectRows(t.Context(), s.db, scan, "EXPLAIN QUERY PLAN "+countFailed, "c", checkpoint.MaxFailures+1, checkpoint.FrequentFailures, checkpoint.MaxExample)
	must.OK(t, err)
	if plan := strings.Join(steps, "\n"); !strings.Contains(plan, "SEARCH eventfeed_parked USING INDEX eventfeed_parked_failed (consumer=?)") || strings.Contains(plan, "SCAN eventfeed_parked ") {
		t.Errorf("the plan:\n%s", plan)
	}
}
