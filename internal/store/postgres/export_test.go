package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/store"
)

// SnapshotOf returns the reads of a log in a transaction of the test's.
func SnapshotOf(tx pgx.Tx) store.Snapshot { return queries{tx} }
