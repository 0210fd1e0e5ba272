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
package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
)

// ErrNoFeed is returned, wrapped, where the database has no feed of that name.
var ErrNoFeed = errors.New("no such feed, create it with: feedserver create NAME")

// ErrConflict is returned, wrapped, for an event whose id and source are in
// the feed already with other content.
var ErrConflict = errors.New("event is in the feed already, with other content")

// Append appends events to a feed, in their order, in the caller's transaction
// tx: a [pgx.Tx], or a [*sql.Tx] on PostgreSQL or SQLite. The events become
// visible with the caller's commit; after an error the caller rolls back.
//
// An event needs a Type. What else is left out is filled in: ID with a
// UUIDv7, Source with "/" and the feed's name, Time with the current time. An
// event whose source and id are there already is passed over if nothing that
// was given differs, else the error is ErrConflict.
func Append(ctx context.Context, tx any, feed string, events ...event.Event) error {
	_, err := AppendNew(ctx, tx, feed, events...)
	return err
}

// AppendNew is [Append], and returns how many of the events were not in the
// feed already.
func AppendNew(ctx context.Context, tx any, feed string, events ...event.Event) (int, error) {
	normal, err := prepare(events)
	if err != nil {
		return 0, fmt.Errorf("append to feed %s: %w", feed, err)
	}
	if len(normal) == 0 {
		return 0, nil
	}
	added := 0
	switch tx := tx.(type) {
	case pgx.Tx:
		added, err = appendPgx(ctx, tx, feed, normal)
	case *sql.Tx:
		added, err = appendSQL(ctx, tx, feed, normal)
	default:
		err = fmt.Errorf("%T is not a transaction, pass a pgx.Tx or a *sql.Tx", tx)
	}
	if err != nil {
		return 0, fmt.Errorf("append to feed %s: %w", feed, err)
	}
	return added, nil
}

// prepare returns the events in normal form, each with an id.
func prepare(events []event.Event) ([]event.Event, error) {
	normal := make([]event.Event, len(events))
	for i, e := range events {
		n, err := e.Normal()
		if err != nil {
			return nil, err
		}
		if n.ID == "" {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, fmt.Errorf("make an id: %w", err)
			}
			n.ID = id.String()
		}
		normal[i] = n
	}
	return normal, nil
}
