package postgresdb_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestOwnStatementsReadWhatTheyWriteInEachModeOfPgx also where the database gives
// its sessions settings that change the text form of values.
func TestOwnStatementsReadWhatTheyWriteInEachModeOfPgx(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	pool, err := postgresdb.Open(t.Context(), url, 1)
	must.OK(t, err)
	for _, setting := range []string{
		"DateStyle = German", "IntervalStyle = sql_standard", "TimeZone = 'Asia/Kathmandu'",
		"bytea_output = escape", "extra_float_digits = -3", "standard_conforming_strings = off",
	} {
		_, err := pool.Exec(t.Context(), fmt.Sprintf("DO $do$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || $$ SET %s $$; END $do$", setting))
		must.OK(t, err)
	}
	pool.Close()
	const query = "SELECT $1::timestamptz, $2::bytea, $3::text, $4::float8, $5::interval"
	at := time.Date(2024, 5, 1, 12, 0, 0, 250_000_000, time.UTC)
	arguments := []any{at, []byte("\\\x00\xff\u00e4"), `\ü'`, 1.0 / 3, 36 * time.Hour}
	want := fmt.Sprintf("%v %q %s %v %v", arguments...)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		pool, err := postgresdb.Open(t.Context(), url+"&default_query_exec_mode="+mode, 1)
		must.OK(t, err)
		check := func(how string) func(pgx.Row) error {
			return func(row pgx.Row) error {
				var (
					at     time.Time
					data   []byte
					text   string
					number float64
					took   time.Duration
				)
				err := row.Scan(&at, &data, &text, &number, &took)
				if got := fmt.Sprintf("%v %q %s %v %v", at.UTC(), data, text, number, took); err != nil || got != want {
					t.Errorf("%s, %s: %s, %v; want %s", mode, how, got, err, want)
				}
				return nil
			}
		}
		for how, options := range map[string]pgx.TxOptions{"Own": postgresdb.Own, "Snapshot": postgresdb.Snapshot, "Fresh": postgresdb.Fresh} {
			must.OK(t, pgx.BeginTxFunc(t.Context(), pool, options, func(tx pgx.Tx) error {
				return check(how)(tx.QueryRow(t.Context(), query, arguments...))
			}))
		}
		for range 2 { // at first, and once the connection knows the query
			must.OK(t, check("Reader")(postgresdb.NewReader(pool).QueryRow(t.Context(), query, arguments...)))
		}
		pool.Close()
	}
}
