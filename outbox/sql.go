package outbox

import (
	"context"
	"database/sql"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/db/sqlany"
)

// appendSQL appends events, which must be in normal form, in a transaction of
// database/sql, on PostgreSQL or SQLite, and returns how many were not there already.
//
// It tells the two apart by what they answer, since database/sql does not say
// which one it is. SQLite refuses PostgreSQL's statement when it parses it,
// which leaves the transaction as it was. In PostgreSQL the second question
// comes only after an error, when the transaction is lost anyway.
func appendSQL(ctx context.Context, tx *sql.Tx, feed string, events []event.Event, expected Versions) (added int, err error) {
	if isMuch(events) {
		// What is a lot of work in vain on SQLite is worth a question before.
		var id string
		if err := tx.QueryRowContext(ctx, "SELECT eventfeed.uuidv7()").Scan(&id); err != nil {
			return orSQLite(ctx, tx, feed, events, expected, err)
		}
	}
	c := columnsOf(events, expected)
	var n *int
	err = tx.QueryRowContext(ctx, appendMany, feed, arrayLiteral(c.ids), arrayLiteral(c.sources), arrayLiteral(c.types),
		arrayLiteral(c.subjects), timeLiteral(c.times), arrayLiteral(c.contentTypes), arrayLiteral(c.schemas),
		arrayLiteral(c.extensions), byteaLiteral(c.data), versionLiteral(c.expected)).Scan(&n)
	if err != nil {
		return orSQLite(ctx, tx, feed, events, expected, err)
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
func orSQLite(ctx context.Context, tx *sql.Tx, feed string, events []event.Event, expected Versions, refusal error) (int, error) {
	if sqlany.IsSQLite(ctx, tx) {
		return appendSQLite(ctx, tx, feed, events, expected)
	}
	return 0, postgresError(refusal)
}
