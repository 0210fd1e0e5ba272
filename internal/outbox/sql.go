package outbox

import (
	"context"
	"database/sql"

	"github.com/eventfeed/eventfeed/event"
)

// SQL appends events in a transaction of database/sql, on PostgreSQL or SQLite,
// and returns how many were not there already.
//
// It tells the two apart by what they answer, since database/sql does not say
// which one it is. SQLite refuses PostgreSQL's statement when it parses it,
// which leaves the transaction as it was. In PostgreSQL the second question
// comes only after an error, when the transaction is lost anyway.
func SQL(ctx context.Context, tx *sql.Tx, feed string, events []event.Event) (added int, err error) {
	events, err = prepare(events)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	c := columnsOf(events)
	err = tx.QueryRowContext(ctx, appendMany, feed, arrayLiteral(c.ids), arrayLiteral(c.sources), arrayLiteral(c.types),
		arrayLiteral(c.subjects), timeLiteral(c.times), arrayLiteral(c.contentTypes), arrayLiteral(c.schemas),
		arrayLiteral(c.extensions), byteaLiteral(c.data)).Scan(&added)
	if err == nil {
		return added, nil
	}
	var version string
	if tx.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version) == nil {
		return appendSQLite(ctx, tx, feed, events)
	}
	return 0, postgresError(err)
}
