package testdb_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testing/need"
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
	need.Postgres(t) // not only the test within
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

func TestSQLiteDoesNotExistYet(t *testing.T) {
	t.Parallel()
	path, ok := strings.CutPrefix(testdb.SQLite(t), "sqlite:")
	if _, err := os.Stat(path); !ok || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("path %q: %v, want that it does not exist", path, err)
	}
}

func connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
