package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// What a page reads for the types of a feed is bounded by an index, however long the history is and
// however many types there are.
func TestTypesAreReadByAnIndex(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 500)
	pool := openPool(t, url)
	for _, statement := range []string{
		`INSERT INTO eventfeed.events (feed, id, source, type, time) OVERRIDING SYSTEM VALUE
			SELECT 1, n::text, '/f', 'type ' || n % 50000, now() FROM generate_series(1, 100000) n`,
		`INSERT INTO eventfeed.positions (feed, position, insert_no, digest, recorded)
			SELECT 1, row_number() OVER (ORDER BY insert_no), insert_no, decode(repeat('00', 32), 'hex'), now() FROM eventfeed.events`,
		`INSERT INTO eventfeed.event_types SELECT 1, 'type ' || n, '', 2, n, n FROM generate_series(1, 50000) n`,
		"ANALYZE eventfeed.events, eventfeed.positions, eventfeed.event_types",
	} {
		_, err := pool.Exec(t.Context(), statement)
		must.OK(t, err)
	}
	for query, want := range map[string]struct {
		arguments []any
		indexes   []string
	}{
		postgres.ArchivedTypesQuery: {[]any{1, "type 40000", "", 51}, []string{"event_types_pkey"}},
		postgres.CountTypesQuery:    {[]any{1, 99_501, 100_000}, []string{"positions_pkey", "events_pkey"}},
	} {
		rows, err := pool.Query(t.Context(), "EXPLAIN "+query, want.arguments...)
		must.OK(t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		must.OK(t, err)
		plan := strings.Join(lines, "\n")
		for _, index := range want.indexes {
			if !strings.Contains(plan, index) || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s\n%s", query, plan)
			}
		}
	}
}
