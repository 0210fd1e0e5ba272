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

// without makes a database in which nobody but a superuser may call a function, as
// one that does not have it.
func without(t *testing.T, functions string) (url string) {
	t.Helper()
	url = testdb.Postgres(t)
	conn, err := pgx.Connect(t.Context(), testdb.As(url, "postgres"))
	must.OK(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	_, err = conn.Exec(t.Context(), "REVOKE EXECUTE ON FUNCTION "+functions+" FROM PUBLIC")
	must.OK(t, err)
	return url
}

func TestDatabaseWithoutAnIdentityIsRefused(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"pg_current_wal_lsn()", "pg_control_system()"} {
		log, err := postgres.Open(t.Context(), without(t, function), true)
		if err == nil {
			log.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "does not tell its identity") {
			t.Errorf("without %s: %v", function, err)
		}
	}
}

// TestNothingNeedsMD5, which systems in FIPS mode do not have.
func TestNothingNeedsMD5(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, without(t, "md5(text), md5(bytea)"))
	storetest.Create(t, l, "f", 10)
	storetest.Append(t, l, "f", storetest.Events(1, 25))
	storetest.Drain(t, l, "f")
	versions, err := l.Versions(t.Context())
	must.OK(t, err)
	if len(versions) != 1 {
		t.Errorf("versions %v", versions)
	}
	storetest.Verify(t, l, "f")
}
