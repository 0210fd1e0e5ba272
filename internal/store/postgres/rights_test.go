package postgres_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// The roles belong to the whole cluster: what separates writers is who may connect, as
// docs/operations.md has it.
func TestADatabaseEachSeparatesWriters(t *testing.T) {
	t.Parallel()
	shop, hr := testdb.Postgres(t), testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, shop), "orders", 0)
	storetest.Create(t, storetest.Open(t, hr), "salaries", 0)
	owner := openPool(t, hr)
	var name string
	must.OK(t, owner.QueryRow(t.Context(), "SELECT current_database()").Scan(&name))
	database := pgx.Identifier{name}.Sanitize()
	for _, statement := range []string{
		"REVOKE CONNECT ON DATABASE " + database + " FROM PUBLIC",
		"GRANT CONNECT ON DATABASE " + database + " TO " + testdb.Server,
	} {
		_, err := owner.Exec(t.Context(), statement)
		must.OK(t, err)
	}
	_, err := openPool(t, testdb.As(shop, testdb.Writer)).Exec(t.Context(), "SELECT eventfeed.append('orders', 'T', 's', '{}')")
	must.OK(t, err)
	_, err = openPool(t, testdb.As(hr, testdb.Writer)).Exec(t.Context(), "SELECT eventfeed.append('salaries', 'T', 's', '{}')")
	if refusal, is := errors.AsType[*pgconn.PgError](err); !is || refusal.Code != "42501" {
		t.Errorf("a writer of another database: %v", err)
	}
	_, err = openPool(t, testdb.As(hr, testdb.Server)).Exec(t.Context(), "SELECT count(*) FROM eventfeed.events")
	must.OK(t, err)
}

// An event that is pending can only get a position: a server's user that deletes it
// would keep it from being published.
func TestServerCannotTakeWhatIsPending(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 0)
	storetest.Append(t, l, "f", storetest.Events(1, 3))
	pool := openPool(t, testdb.As(url, testdb.Server))
	for _, statement := range []string{"DELETE FROM eventfeed.pending", "TRUNCATE eventfeed.pending", "UPDATE eventfeed.pending SET feed = 0"} {
		_, err := pool.Exec(t.Context(), statement)
		if refusal, is := errors.AsType[*pgconn.PgError](err); !is || refusal.Code != "42501" {
			t.Errorf("%s: %v", statement, err)
		}
	}
	// Giving positions does, with the server's rights.
	served := storetest.Open(t, testdb.As(url, testdb.Server))
	storetest.Drain(t, served, "f")
	storetest.Verify(t, served, "f")
}
