package testdb

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// ForExample is [Postgres] for an example, which calls drop at its end. Without PostgreSQL it returns
// an error: [need.RunWithExamples] skips the example before.
func ForExample() (database string, drop func(), err error) {
	server, err := need.PostgresOfExample()
	if err != nil {
		return "", nil, err
	}
	database, dropDatabase, err := createDatabase(context.Background(), server, "")
	return database, func() { _ = dropDatabase(context.Background()) }, err
}
