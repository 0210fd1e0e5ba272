package postgresdb_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
)

func closeQuietly(conn *pgx.Conn) { _ = conn.Close(context.Background()) }

func newStep(t *testing.T, pool *pgxpool.Pool, conn *pgx.Conn) *postgresdb.Step {
	t.Helper()
	step, err := postgresdb.NewStep(t.Context(), pool, conn, "it's a step")
	must.OK(t, err)
	step.Hurry(time.Second)
	return step
}

// TestStepOfAClientThatIsGoneIsEnded by whoever needs it, and one that is at work is
// not, however long it takes.
func TestStepOfAClientThatIsGoneIsEnded(t *testing.T) {
	t.Parallel()
	for way, through := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			_, pool := openWith(t, through)
			old, err := pool.Acquire(t.Context())
			must.OK(t, err)
			defer old.Release()
			step := newStep(t, pool, old.Conn())
			tx, err := old.BeginTx(t.Context(), step.Options(postgresdb.Own))
			must.OK(t, err)
			worked := make(chan error, 1)
			go func() {
				_, err := tx.Exec(t.Context(), "SELECT pg_catalog.pg_sleep(10)")
				worked <- err
			}()
			clear := func() bool {
				free, err := step.Clear(t.Context(), pool)
				must.OK(t, err)
				return free
			}
			for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				if clear() {
					t.Fatal("a step that is at work was ended")
				}
			}
			must.OK(t, <-worked)
			for deadline := time.Now().Add(20 * time.Second); !clear(); time.Sleep(100 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the step of a client that is gone goes on")
				}
			}
			if err := tx.Commit(t.Context()); err == nil {
				t.Error("the step that was ended has committed")
			}
		})
	}
}

// TestWaitForAServerThatIsNotAtWorkEnds: the connection stops answering without an
// end. What the server is at work on is waited for, however long it takes.
func TestWaitForAServerThatIsNotAtWorkEnds(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testdb.Postgres(t))
	must.OK(t, err)
	proxy := testproxy.NewFaulty(t, u.Host)
	u.Host = proxy.Address() + "," + u.Host
	pool, err := postgresdb.Open(t.Context(), u.String()+"&connect_timeout=3", 4)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	conn, err := pool.Acquire(t.Context())
	must.OK(t, err)
	defer conn.Release()
	step := newStep(t, pool, conn.Conn())
	do := func(sql string) error {
		defer step.Watch(t.Context(), conn.Conn())()
		return pgx.BeginTxFunc(t.Context(), conn, step.Options(postgresdb.Own), func(tx pgx.Tx) error {
			if sql == "" {
				time.Sleep(4 * time.Second) // a handler that computes
				sql = "SELECT 1"
			}
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
	}
	must.OK(t, do("SELECT pg_catalog.pg_sleep(4)"))
	must.OK(t, do(""))
	proxy.Add("timeout", map[string]int{"timeout": 0})
	ended := make(chan error, 1)
	go func() { ended <- do("SELECT 1") }()
	select {
	case err := <-ended:
		if err == nil || !explainpostgres.Transient(err) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("a server that does not answer is waited for")
		_ = conn.Conn().PgConn().Conn().Close()
	}
}

// TestConnectionsThatDoNotAnswerAreDropped, also those beside the one that shows it.
func TestConnectionsThatDoNotAnswerAreDropped(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testdb.Postgres(t))
	must.OK(t, err)
	proxy := testproxy.NewFaulty(t, u.Host)
	u.Host = proxy.Address() + "," + u.Host
	const connections = 10
	pool, err := postgresdb.Open(t.Context(), u.String()+"&connect_timeout=3", connections)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	var conns []*pgxpool.Conn
	for range connections {
		conn, err := pool.Acquire(t.Context())
		must.OK(t, err)
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		conn.Release()
	}
	time.Sleep(1100 * time.Millisecond) // so that they count as idle
	proxy.Add("timeout", map[string]int{"timeout": 0})
	limited, cancel := context.WithTimeout(t.Context(), 30*time.Second) // six of them would take as long
	defer cancel()
	_, err = pool.Exec(limited, "SELECT 1")
	must.OK(t, err)
}

// TestLockIsTakenThroughAHostThatDoesNotAnswer: the time that it takes to connect to
// the next one must not pass for that of a lock which someone holds.
func TestLockIsTakenThroughAHostThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testdb.Postgres(t))
	must.OK(t, err)
	proxy := testproxy.NewFaulty(t, u.Host)
	u.Host = proxy.Address() + "," + u.Host
	proxy.Add("timeout", map[string]int{"timeout": 0})
	pool, err := postgresdb.Open(t.Context(), u.String()+"&connect_timeout=3", 4)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	l, err := postgresdb.TryLock(t.Context(), pool, "it's a name", 100*time.Millisecond)
	must.OK(t, err)
	if l == nil {
		t.Fatal("the lock is held")
	}
	must.OK(t, l.Share(func(uintptr) error { return nil }))
	l.Release()
}
