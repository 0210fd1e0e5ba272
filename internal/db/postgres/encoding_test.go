package postgresdb_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// TestEveryConnectionSpeaksUTF8, whoever says another encoding: a text that is
// sent arrives as it is, and comes back as it is.
func TestEveryConnectionSpeaksUTF8(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, url string) string{
		"the URL":         func(_ *testing.T, url string) string { return url + "&client_encoding=LATIN1" },
		"the options":     func(_ *testing.T, url string) string { return url + "&options=-c%20client_encoding%3DLATIN1" },
		"the environment": func(t *testing.T, url string) string { t.Setenv("PGCLIENTENCODING", "LATIN1"); return url },
		"the database": func(t *testing.T, url string) string {
			execute(t, url, "ALTER DATABASE "+database(t, url)+" SET client_encoding = 'LATIN1'")
			return url
		},
		"the role": func(t *testing.T, url string) string {
			execute(t, testdb.As(url, "postgres"), "ALTER ROLE test_owner IN DATABASE "+database(t, url)+" SET client_encoding = 'LATIN1'")
			return url
		},
		"the database behind a pooler": func(t *testing.T, url string) string {
			execute(t, url, "ALTER DATABASE "+database(t, url)+" SET client_encoding = 'LATIN1'")
			return testdb.Bouncer(t, url)
		},
		"the pooler's database": func(t *testing.T, url string) string { return testdb.Bouncer(t, url, "client_encoding=LATIN1") },
		"the pooler's connect_query": func(t *testing.T, url string) string {
			return testdb.Bouncer(t, url, "connect_query='SET client_encoding = LATIN1'")
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := testdb.Postgres(t)
			pool, err := postgresdb.Open(t.Context(), prepare(t, url), 2)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			var length int
			var back string
			err = pool.QueryRow(t.Context(), "SELECT length($1), $1", "Köln 東京").Scan(&length, &back)
			if err != nil || length != 7 || back != "Köln 東京" {
				t.Errorf("length %d, %q, %v", length, back, err)
			}
		})
	}
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// database is the name of the database that a URL leads to.
func database(t *testing.T, url string) string {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ToLower(config.Database)
}
