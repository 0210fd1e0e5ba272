package sqlite_test

import (
	"strings"
	"testing"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// Only the feeds themselves are all read.
func TestStatsAreReadByIndexes(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	storetest.Create(t, storetest.Open(t, url), "f", 500)
	path, err := sqlitedb.Path(url)
	must.OK(t, err)
	db, err := sqlitedb.OpenReader(t.Context(), path)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	searches := 0
	for step, err := range sqlitedb.Rows(t.Context(), db, planStep, "EXPLAIN QUERY PLAN "+sqlite.StatsQuery, 10_000) {
		must.OK(t, err)
		if strings.Contains(step, "SEARCH") {
			searches++
		}
		if strings.HasPrefix(step, "SCAN") && !strings.HasPrefix(step, "SCAN f") && !strings.HasPrefix(step, "SCAN (subquery") {
			t.Error(step)
		}
	}
	if searches < 4 {
		t.Errorf("%d steps use an index", searches)
	}
}
