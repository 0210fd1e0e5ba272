package testdb_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testdb"
)

// Many at once, because that is how tests ask for databases, and making one reads a shared template.
func TestPostgresIsEmptyAndOnesOwn(t *testing.T) {
	t.Parallel()
	for range 20 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			conn := connect(t, testdb.Postgres(t))
			if _, err := conn.Exec(t.Context(), "CREATE TABLE mine ()"); err != nil {
				t.Error(err)
			}
		})
	}
}

// The connection is left open on purpose: a test that fails does not close its own either.
func TestPostgresIsGoneAfterTheTest(t *testing.T) {
	t.Parallel()
	var database string
	t.Run("uses it", func(t *testing.T) {
		database = testdb.Postgres(t)
		connect(t, database)
	})
	_, err := pgx.Connect(t.Context(), database)
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "3D000" {
		t.Errorf("connect after the test: %v, want that the database does not exist", err)
	}
}

func TestPostgresBinHoldsThePrograms(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"initdb", "pg_ctl", "postgres"} {
		if _, err := os.Stat(testdb.PostgresBin(t) + "/" + program); err != nil {
			t.Error(err)
		}
	}
}

func TestSQLiteDoesNotExistYet(t *testing.T) {
	t.Parallel()
	path, ok := strings.CutPrefix(testdb.SQLite(t), "sqlite:")
	if _, err := os.Stat(path); !ok || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("path %q: %v, want that it does not exist", path, err)
	}
}

// Whoever runs plain go test is told what to do, in one line, for each test that needs a server.
func TestWithoutServerATestFailsInOneLine(t *testing.T) {
	t.Setenv("EVENTFEED_TEST_POSTGRES", "")
	t.Setenv("EVENTFEED_TEST_PGBIN", "")
	for name, call := range map[string]func(testing.TB) string{
		"Postgres":    testdb.Postgres,
		"PostgresBin": testdb.PostgresBin,
	} {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() { // Fatal ends its goroutine
			defer close(done)
			call(r)
		}()
		<-done
		if len(r.fatal) != 1 || strings.Contains(r.fatal[0], "\n") || !strings.Contains(r.fatal[0], "make test") {
			t.Errorf("%s without a server: %q, want one line that names make test", name, r.fatal)
		}
	}
}

type recorder struct {
	testing.TB
	fatal []string
}

func (r *recorder) Fatal(args ...any) {
	r.fatal = append(r.fatal, args[0].(string))
	runtime.Goexit()
}

func connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
