// Package outbox appends events to a feed inside the caller's own database
// transaction: they are in the feed if, and only if, it commits.
//
//	tx, err := pool.Begin(ctx)
//	…
//	_, err = tx.Exec(ctx, "UPDATE orders SET paid = true WHERE id = $1", id)
//	…
//	err = outbox.Append(ctx, tx, "orders", event.Event{Type: "OrderPaid", Subject: id})
//	…
//	err = tx.Commit(ctx)
//
// Events of one entity are in the feed in the order of their transactions if
// each append follows, in its transaction, a write that locks the entity's
// row.
//
// On SQLite several processes write to one file: the caller and the server. Let
// transactions take the write lock when they begin, and wait for it; with
// modernc.org/sqlite by the options
//
//	_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)
package outbox

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/outbox"
)

// Errors that callers tell apart; both are wrapped.
var (
	// ErrNoFeed says that the database has no feed of that name.
	ErrNoFeed = outbox.ErrNoFeed
	// ErrConflict says that an event's id and source are in the feed already,
	// with other content.
	ErrConflict = outbox.ErrConflict
)

// Append appends events to a feed, in their order, in the caller's transaction
// tx: a [pgx.Tx], or a [*sql.Tx] on PostgreSQL or SQLite. The events become
// visible with the caller's commit; after an error the caller rolls back.
//
// An event needs a Type. What else is left out is filled in: ID with a
// UUIDv7, Source with "/" and the feed's name, Time with the current time. An
// event whose source and id are there already is skipped if it is the same, with
// any time if it has none; else the error is ErrConflict, which does not say what
// differs.
func Append(ctx context.Context, tx any, feed string, events ...event.Event) error {
	var err error
	switch tx := tx.(type) {
	case pgx.Tx:
		_, err = outbox.Pgx(ctx, tx, feed, events)
	case *sql.Tx:
		_, err = outbox.SQL(ctx, tx, feed, events)
	default:
		err = fmt.Errorf("%T is not a transaction, pass a pgx.Tx or a *sql.Tx", tx)
	}
	if err != nil {
		return fmt.Errorf("append to feed %s: %w", feed, err)
	}
	return nil
}
