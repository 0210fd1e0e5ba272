package cmd_test

import (
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
)

// passwords NAME PASSWORD starts a PostgreSQL server that lets its user
// postgres in with this password only, and sets the variable NAME to its URL,
// without the password.
func passwords(ts *testscript.TestScript, _ bool, arguments []string) {
	t := testOf(ts)
	server := testcluster.New(t)
	server.Start(t)
	execute(ts, false, []string{server.URL(), "ALTER ROLE postgres PASSWORD '" + arguments[1] + "'"})
	server.Stop(t, "fast")
	ts.Check(os.WriteFile(filepath.Join(server.Data(), "pg_hba.conf"), []byte("host all all 127.0.0.1/32 scram-sha-256\n"), 0o600))
	server.Start(t)
	ts.Setenv(arguments[0], server.URL())
}
