package postgres_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// What the operations page and the metrics read of each feed is bounded by indexes, however long the
// queue, and however many epochs there are. Only the feeds themselves are all read.
func TestStatsAreReadByIndexes(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	for n := range 5 {
		storetest.Create(t, storetest.Open(t, url), fmt.Sprint("f", n), 500)
	}
	pool := openPool(t, url)
	for _, statement := range []string{
		`INSERT INTO eventfeed.epochs (feed, ordinal, epoch, first_position, first_page, digest_before, reason)
			SELECT 1, n, 'e' || n, n, n, decode(repeat('00', 32), 'hex'), '' FROM generate_series(2, 20000) n`,
		"INSERT INTO eventfeed.pending SELECT 1, n FROM generate_series(1, 100000) n",
		"INSERT INTO eventfeed.refused (feed, reason) SELECT 1, CASE WHEN n % 3 = 0 OR n > 1000 THEN 'frequent after the first 1,000' ELSE 'frequent' END FROM generate_series(1, 20000) n",
		"ANALYZE eventfeed.epochs, eventfeed.pending, eventfeed.refused, eventfeed.feeds",
	} {
		_, err := pool.Exec(t.Context(), statement)
		must.OK(t, err)
	}
	rows, err := pool.Query(t.Context(), "EXPLAIN "+postgres.StatsQuery, store.PendingCounted, store.RefusedCompared)
	must.OK(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must.OK(t, err)
	plan := strings.Join(lines, "\n")
	for _, index := range []string{"epochs_pkey", "pending_pkey", "refused_"} {
		if !strings.Contains(plan, index) {
			t.Errorf("does not use %s:\n%s", index, plan)
		}
	}
	stats, err := storetest.Open(t, url).Stats(t.Context())
	must.OK(t, err)
	if f := stats.Feeds[0]; f.Refused != store.PendingCounted || f.RefusedReason != (store.RefusedReason{Text: "frequent", Rows: 667, First: 1}) || stats.Feeds[1].RefusedReason.Rows != 0 {
		t.Errorf("refused: %+v", f)
	}
	for _, scan := range regexp.MustCompile(`Seq Scan on (\w+)`).FindAllStringSubmatch(plan, -1) {
		if scan[1] == "epochs" || scan[1] == "pending" || scan[1] == "refused" {
			t.Errorf("reads all of %s:\n%s", scan[1], plan)
		}
	}
}
