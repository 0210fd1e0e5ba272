package testdb

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"
)

// RunWithExamples runs a package's tests, and returns their exit status. Without PostgreSQL it
// skips the examples with these names, which need one: an example cannot skip itself.
func RunWithExamples(m *testing.M, needPostgres ...string) int {
	flag.Parse()
	skip := flag.Lookup("test.skip").Value
	if os.Getenv(serverVar) == "" && !mustRunAll() && skip.String() == "" {
		if err := skip.Set("^(" + strings.Join(needPostgres, "|") + ")$"); err != nil {
			panic(err)
		}
	}
	return m.Run()
}

// ForExample is [Postgres] for an example, which calls drop at its end.
func ForExample() (database string, drop func(), err error) {
	database, dropDatabase, err := createDatabase(context.Background(), "")
	return database, func() { _ = dropDatabase(context.Background()) }, err
}
