package need

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
)

// How test/postgres tells of its server.
const (
	serverVar = "EVENTFEED_TEST_POSTGRES"
	binVar    = "EVENTFEED_TEST_PGBIN"
)

const noPostgres = "no PostgreSQL for this test: run it with test/postgres go test ./... or make test"

// Postgres returns the URL of the tests' PostgreSQL server, as superuser. [testdb.Postgres] makes a
// database there.
//
// Where there is none, the test is skipped, or fails where all tests must run.
//
// [testdb.Postgres]: https://pkg.go.dev/github.com/eventfeed/eventfeed/internal/testing/testdb#Postgres
func Postgres(t testing.TB) string {
	t.Helper()
	return variable(t, serverVar)
}

// PostgresBin returns the folder of the server's programs (initdb, pg_ctl, pg_dump and so on), for
// tests that need a server of their own, to crash or to restore. It ends a test as [Postgres] does.
func PostgresBin(t testing.TB) string {
	t.Helper()
	return variable(t, binVar)
}

// PostgresOfExample is [Postgres] for an example, which cannot be skipped.
func PostgresOfExample() (server string, err error) {
	if server = os.Getenv(serverVar); server == "" {
		return "", errors.New(noPostgres)
	}
	return server, nil
}

// RunWithExamples runs a package's tests, and returns their exit status. Without PostgreSQL it skips
// the examples whose names match one of these regular expressions, which need one: an example cannot
// skip itself.
func RunWithExamples(m *testing.M, needPostgres ...string) int {
	if !hasPostgres() && !allMustRun() {
		skipExamples(needPostgres)
	}
	return m.Run()
}

// RunWithExamplesOf is [RunWithExamples] for examples that need a tool.
func RunWithExamplesOf(m *testing.M, tool string, needTool ...string) int {
	if _, found := find(tool); !found && !allMustRun() {
		skipExamples(needTool)
	}
	return m.Run()
}

func skipExamples(names []string) {
	if !flag.Parsed() {
		flag.Parse()
	}
	skip := flag.Lookup("test.skip").Value
	ours := "^(" + strings.Join(names, "|") + ")$"
	if users := skip.String(); users != "" {
		ours = users + "|" + ours // go test reads each side of the bar by itself
	}
	if err := skip.Set(ours); err != nil {
		panic(err)
	}
}

func hasPostgres() bool { return os.Getenv(serverVar) != "" }

func variable(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		end(t, noPostgres)
	}
	return value
}
