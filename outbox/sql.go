package outbox

import (
	"context"
	"database/sql"

	"github.com/eventfeed/eventfeed/event"
)

// appendSQL appends events, which must be in normal form, in a transaction of
// database/sql, on PostgreSQL or SQLite, and returns how many were not there already.
//
// It tells the two apart by what they answer, since database/sql does not say
// which one it is. SQLite refuses PostgreSQL's statement when it parses it,
// which leaves the transaction as it was. In PostgreSQL the second question
// comes only after an error, when the transaction is lost anyway.
func appendSQL(ctx context.Context, tx *sql.Tx, feed string, events []event.Event) (added int, err error) {
	if isMuch(events) {
		// What is a lot of work in vain on SQLite is worth a question before.
		var id string
		if err := tx.QueryRowContext(ctx, "SELECT eventfeed.uuidv7()").Scan(&id); err != nil {
			return orSQLite(ctx, tx, feed, events, err)
		}
	}
	c := columnsOf(events)
	var n *int
	err = tx.QueryRowContext(ctx, appendMany, feed, arrayLiteral(c.ids), arrayLiteral(c.sources), arrayLiteral(c.types),
		arrayLiteral(c.subjects), timeLiteral(c.times), arrayLiteral(c.contentTypes), arrayLiteral(c.schemas),
		arrayLiteral(c.extensions), byteaLiteral(c.data)).Scan(&n)
	if err != nil {
		return orSQLite(ctx, tx, feed, events, err)
	}
	return appended(n)
}

// isMuch reports whether it takes long to write the events as literals.
func isMuch(events []event.Event) bool {
	const manyEvents, manyBytes = 20, 64 << 10
	size := 0
	for i := range events {
		size += len(events[i].Data)
	}
	return len(events) > manyEvents || size > manyBytes
}

// orSQLite appends on SQLite, if that is what refused PostgreSQL's statement.
func orSQLite(ctx context.Context, tx *sql.Tx, feed string, events []event.Event, refusal error) (int, error) {
	var version string
	if tx.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version) == nil {
		return appendSQLite(ctx, tx, feed, events)
	}
	return 0, postgresError(refusal)
}
