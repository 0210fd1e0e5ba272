package postgresdb_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// ways are the two ways to a database.
var ways = map[string]func(t testing.TB, url string) string{
	"direct": func(_ testing.TB, url string) string { return url },
	"pooled": func(t testing.TB, url string) string { return testdb.Bouncer(t, url) },
}

// openWith makes a database with settings of its own, and returns a direct
// connection and a pool that leads to it.
func openWith(t *testing.T, way func(testing.TB, string) string, settings ...string) (*pgx.Conn, *pgxpool.Pool) {
	t.Helper()
	url := testdb.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	for _, s := range settings {
		_, err = conn.Exec(t.Context(), fmt.Sprintf(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET %s', current_database()); END $$`, s))
		must.OK(t, err)
	}
	pool, err := postgresdb.Open(t.Context(), way(t, url), 4)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	return conn, pool
}

func lock(t *testing.T, pool *pgxpool.Pool) *postgresdb.AdvisoryLock {
	t.Helper()
	l, err := postgresdb.TryLock(t.Context(), pool, "it's a name", 0)
	must.OK(t, err)
	if l == nil {
		t.Fatal("the lock is held")
	}
	return l
}

// TestLockHoldsNoSnapshot: or vacuum would stand still for as long as a lock is
// held, whatever the default isolation is.
func TestLockHoldsNoSnapshot(t *testing.T) {
	t.Parallel()
	for way, through := range ways {
		for _, level := range []string{"read committed", "repeatable read", "serializable"} {
			t.Run(way+", "+level, func(t *testing.T) {
				t.Parallel()
				conn, pool := openWith(t, through, "default_transaction_isolation = ''"+level+"''")
				l := lock(t, pool)
				defer l.Release()
				// A statement that is just ending has one for a moment, the lock would for good.
				held := -1
				for deadline := time.Now().Add(10 * time.Second); held != 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
					must.OK(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
						WHERE datname = current_database() AND state LIKE 'idle%' AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)`).Scan(&held))
				}
				if held != 0 {
					t.Errorf("%d idle sessions hold a snapshot or a transaction's id", held)
				}
			})
		}
	}
}

// TestLockSurvivesIdleTimeouts that the database sets for sessions that do nothing.
func TestLockSurvivesIdleTimeouts(t *testing.T) {
	t.Parallel()
	for way, through := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			_, pool := openWith(t, through, "idle_session_timeout = 2000", "idle_in_transaction_session_timeout = 2000")
			l := lock(t, pool)
			defer l.Release()
			select {
			case <-l.Lost():
				t.Error("the lock was lost")
			case <-time.After(5 * time.Second):
			}
			second, err := postgresdb.TryLock(t.Context(), pool, "it's a name", 0)
			must.OK(t, err)
			if second != nil {
				second.Release()
				t.Error("a second lock")
			}
		})
	}
}

// TestLockIsToldThatItIsLost as soon as the server ends its session.
func TestLockIsToldThatItIsLost(t *testing.T) {
	t.Parallel()
	for way, through := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			conn, pool := openWith(t, through)
			l := lock(t, pool)
			defer l.Release()
			_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
			must.OK(t, err)
			select {
			case <-l.Lost():
			case <-time.After(10 * time.Second):
				t.Error("the lock was not told")
			}
		})
	}
}

// TestServerEndsALockThatGivesNoSignOfLife: the machine of its holder may have
// vanished, and a proxy between may answer in its place.
func TestServerEndsALockThatGivesNoSignOfLife(t *testing.T) {
	t.Parallel()
	for way, setting := range map[string]string{"direct": "idle_session_timeout", "pooled": "idle_in_transaction_session_timeout"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			_, pool := openWith(t, ways[way])
			l := lock(t, pool)
			defer l.Release()
			limit, err := l.Setting(t.Context(), setting)
			must.OK(t, err)
			if limit != "1min" {
				t.Errorf("%s is %s", setting, limit)
			}
		})
	}
}
