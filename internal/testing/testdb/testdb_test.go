package testdb_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testing/testdb"
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

// Whoever runs plain go test is told in one line how to run the tests that need a server. They are
// skipped, except where all tests must run.
func TestWithoutServerATestIsSkippedOnlyWhereThatIsAllowed(t *testing.T) {
	t.Setenv("EVENTFEED_TEST_POSTGRES", "")
	t.Setenv("EVENTFEED_TEST_PGBIN", "")
	for name, test := range map[string]struct{ ci, all, want string }{
		"plain go test":       {"", "", "skipped"},
		"on CI":               {"true", "", "failed"},
		"below test/postgres": {"", "1", "failed"},
	} {
		t.Setenv("CI", test.ci)
		t.Setenv("EVENTFEED_TEST_ALL", test.all)
		for need, call := range map[string]func(testing.TB) string{
			"Postgres":    testdb.Postgres,
			"PostgresBin": testdb.PostgresBin,
		} {
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() { // Fatal and Skip end their goroutine
				defer close(done)
				call(r)
			}()
			<-done
			if r.outcome != test.want || strings.Contains(r.text, "\n") || !strings.Contains(r.text, "make test") {
				t.Errorf("%s, %s: %s with %q, want %s with one line that names make test", name, need, r.outcome, r.text, test.want)
			}
		}
	}
}

type recorder struct {
	testing.TB
	outcome, text string
}

func (r *recorder) Fatal(args ...any) { r.end("failed", args) }
func (r *recorder) Skip(args ...any)  { r.end("skipped", args) }

func (r *recorder) end(outcome string, args []any) {
	r.outcome, r.text = outcome, fmt.Sprint(args...)
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
