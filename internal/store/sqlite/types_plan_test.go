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

func TestTypesAreReadByAnIndex(t *testing.T) {
	t.Parallel()
	url := testdb.SQLite(t)
	storetest.Create(t, storetest.Open(t, url), "f", 500)
	path, err := sqlitedb.Path(url)
	must.OK(t, err)
	db, err := sqlitedb.OpenReader(t.Context(), path)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	for query, arguments := range map[string][]any{
		sqlite.ArchivedTypesQuery: {1, "T", "", 51},
		sqlite.CountTypesQuery:    {1, 99_501, 100_000},
		sqlite.HasTypeQuery:       {1, "T"},
	} {
		var steps []string
		for step, err := range sqlitedb.Rows(t.Context(), db, planStep, "EXPLAIN QUERY PLAN "+query, arguments...) {
			must.OK(t, err)
			steps = append(steps, step)
		}
		plan := strings.Join(steps, "\n")
		if !strings.Contains(plan, "SEARCH") || strings.Contains(plan, "SCAN") || strings.Contains(query, "LIMIT") && strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
}

// planStep is a line of a plan.
func planStep(row sqlitedb.Row) (step string, err error) {
	var id, parent, unused int64
	err = row.Scan(&id, &parent, &unused, &step)
	return step, err
}
