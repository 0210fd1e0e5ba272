// Package testdb gives each test a database of its own, so that all tests can run in parallel and
// none finds what another left behind. Only tests import it.
package testdb

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// How long a server under the load of all tests may take to make or drop a database.
const patience = time.Minute

// Users of a test's database with the rights that a careful team gives them. None is a superuser.
const (
	Owner    = "test_owner"    // owns the database, and so the schema
	Server   = "test_server"   // has eventfeed_server
	Writer   = "test_writer"   // has eventfeed_writer
	Entities = "test_entities" // has eventfeed_entities
	Client   = "test_client"   // has eventfeed_writer and eventfeed_entities
	Service  = "test_service"  // has no right in the schema eventfeed
)

// Roles belong to the whole server, and tests of several packages run at once.
const makeRoles = `DO $$
DECLARE
    role text;
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    FOREACH role IN ARRAY ARRAY['eventfeed_server', 'eventfeed_writer', 'eventfeed_entities', 'test_owner', 'test_server', 'test_writer', 'test_entities', 'test_client', 'test_service'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I %s', role, CASE WHEN role LIKE 'test_%' THEN 'LOGIN' ELSE 'NOLOGIN' END);
        END IF;
    END LOOP;
    GRANT eventfeed_server TO test_server;
    GRANT eventfeed_writer TO test_writer, test_client;
    GRANT eventfeed_entities TO test_entities, test_client;
END $$`

// roles makes the users once on the tests' server.
var roles struct {
	once sync.Once
	err  error
}

// MakeRoles makes the users on a server, where they are missing.
func MakeRoles(ctx context.Context, server string) error { return execute(ctx, server, makeRoles) }

// As returns the URL of the same database for another user.
func As(database, user string) string {
	scheme, rest, _ := strings.Cut(database, "://") // which url.Parse does not take with two hosts
	_, rest, _ = strings.Cut(rest, "@")
	return scheme + "://" + user + "@" + rest
}

// Postgres creates an empty PostgreSQL database and returns its URL for its Owner. The database
// goes when the test ends, connections that are still open notwithstanding.
func Postgres(t testing.TB) string {
	t.Helper()
	return create(t, "")
}

// Encoded is Postgres with another encoding than UTF8.
func Encoded(t testing.TB, encoding string) string {
	t.Helper()
	return create(t, " ENCODING '"+encoding+"' LOCALE 'C'")
}

func create(t testing.TB, options string) string {
	t.Helper()
	database, drop, err := createDatabase(t.Context(), need.Postgres(t), options)
	if err != nil {
		t.Fatalf("create the test's database: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now. A failure is not the test's: it may have crashed
		// the server, and the server is thrown away with all that is left on it.
		if err := drop(context.WithoutCancel(t.Context())); err != nil {
			t.Logf("drop the test's database: %v", err)
		}
	})
	return database
}

func createDatabase(ctx context.Context, server, options string) (ownersURL string, drop func(context.Context) error, err error) {
	roles.once.Do(func() { roles.err = MakeRoles(context.WithoutCancel(ctx), server) })
	if roles.err != nil {
		return "", nil, fmt.Errorf("make the tests' roles: %w", roles.err)
	}
	database, err := url.Parse(server)
	if err != nil {
		return "", nil, err
	}
	name := "test_" + strings.ToLower(rand.Text())
	database.Path = "/" + name

	// Nobody can be connected to template0, which would keep it from being copied, as to template1.
	if err := execute(ctx, server, "CREATE DATABASE "+name+" TEMPLATE template0 OWNER "+Owner+options); err != nil {
		return "", nil, err
	}
	return As(database.String(), Owner), func(ctx context.Context) error {
		return execute(ctx, server, "DROP DATABASE "+name+" WITH (FORCE)")
	}, nil
}

// SQLite returns the URL of an SQLite database that does not exist yet, in a folder that goes when
// the test ends.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "test.db")
}

func execute(ctx context.Context, server, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	if closeErr := conn.Close(ctx); err == nil {
		err = closeErr
	}
	return err
}
