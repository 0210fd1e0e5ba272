package sqlite

import (
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
)

// SnapshotOf returns the reads of a log in a database of the test's.
func SnapshotOf(db sqlitedb.Querier) store.Snapshot { return queries{db} }
