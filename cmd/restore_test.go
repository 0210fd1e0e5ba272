package cmd_test

import (
	"net/url"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// stops has what stops the last server of each script.
var stops sync.Map

// shutdown stops the server that was started last.
func shutdown(ts *testscript.TestScript, _ bool, _ []string) {
	last, _ := stops.Load(ts)
	last.(func())()
}

// copydb NAME DB copies a PostgreSQL database, as it is, to a new one, and sets
// the variable NAME to its URL. Nobody may be connected.
func copyDatabase(ts *testscript.TestScript, _ bool, arguments []string) {
	t := testOf(ts)
	source, err := url.Parse(arguments[1])
	ts.Check(err)
	copied := testdb.Postgres(t)
	u, err := url.Parse(copied)
	ts.Check(err)
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	conn, err := pgx.Connect(t.Context(), testdb.As(u.String(), "postgres"))
	ts.Check(err)
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range []string{
		"DROP DATABASE " + name,
		"CREATE DATABASE " + name + " TEMPLATE " + strings.TrimPrefix(source.Path, "/") + " OWNER " + testdb.Owner,
	} {
		_, err = conn.Exec(t.Context(), statement)
		ts.Check(err)
	}
	ts.Setenv(arguments[0], copied)
}
