// Package outbox appends events to a feed inside the caller's own database
// transaction: they are in the feed if, and only if, the transaction commits.
//
// [Append] takes a transaction of pgx, [AppendSQL] one of database/sql, on
// PostgreSQL or SQLite. The feed must exist (feedserver create NAME). A complete
// program:
//
//	package main
//
//	import (
//		"context"
//		"log"
//		"os"
//
//		"github.com/jackc/pgx/v5"
//
//		"github.com/eventfeed/eventfeed/event"
//		"github.com/eventfeed/eventfeed/outbox"
//	)
//
//	func main() {
//		ctx := context.Background()
//		conn, err := pgx.Connect(ctx, os.Getenv("DATABASE_URL"))
//		if err != nil {
//			log.Fatal(err)
//		}
//		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
//			if _, err := tx.Exec(ctx, "UPDATE orders SET paid = true WHERE id = $1", "o-1"); err != nil {
//				return err
//			}
//			paid, err := event.NewJSON("OrderPaid", "o-1", map[string]int{"amount": 5})
//			if err != nil {
//				return err
//			}
//			_, err = outbox.Append(ctx, tx, "orders", paid)
//			return err
//		})
//		if err != nil {
//			log.Fatal(err)
//		}
//	}
//
// # Order
//
// Events of one entity are in the feed in the order of their transactions if the feed
// has entities (feedserver create NAME --entities), or if each append follows, in its
// transaction, a write that locks the entity's row: an UPDATE as above, its INSERT, or
// INSERT … ON CONFLICT DO UPDATE. DO NOTHING locks no row that is there.
//
// # SQLite
//
// On SQLite several processes write to one file: the caller and the server.
// Transactions must take the write lock when they begin, and wait for it. With
// modernc.org/sqlite, append these options to the file's name:
//
//	?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)
package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
)

// Errors that Append and AppendSQL return, wrapped.
var (
	// ErrNoFeed reports that the database has no feed of that name.
	ErrNoFeed = errors.New("no such feed, create it with: feedserver create NAME")
	// ErrConflict reports that an event with the same id and source is in the feed
	// already, with other content. The error is a [ConflictError] too.
	ErrConflict = errors.New("event is in the feed already, with other content")
	// ErrVersion reports that an entity is not at the version that was expected: another
	// transaction has appended to it. The error is a [VersionError] too. Repeat from
	// where the entity is loaded: with the same version the append fails again.
	ErrVersion = errors.New("the entity is at another version than expected")
	// ErrNoEntities reports that the feed has no entities, or that its history is being
	// numbered, so that no version can be expected.
	ErrNoEntities = errors.New("the feed has no entities, number its history with: feedserver entities NAME")
	// ErrNoEvent reports that the feed has no such event.
	ErrNoEvent = errors.New("no such event")
)

// VersionError is an [ErrVersion] with the entity.
type VersionError struct {
	Subject  string
	Expected int64
	Version  int64 // that it has
	err      error
}

// Error returns a text that names the entity and both versions.
func (e *VersionError) Error() string { return e.err.Error() }

// Unwrap returns the cause: ErrVersion, and the database's error if there is one.
func (e *VersionError) Unwrap() error { return e.err }

// ConflictError is an [ErrConflict] with the event that is in the feed already.
// It does not say what differs, which the caller may have no right to know.
type ConflictError struct {
	Source, ID string
	err        error
}

// Error returns a text that names the event.
func (e *ConflictError) Error() string { return e.err.Error() }

// Unwrap returns the cause: ErrConflict, and the database's error if there is one.
func (e *ConflictError) Unwrap() error { return e.err }

// Result is what an append did.
type Result struct {
	// IDs has the id of each event as the feed holds it, in the order in which the
	// events were given. An event without an id has the one that was made for it.
	IDs []string
	// New is the number of events that were not in the feed already; of several it
	// is not said which.
	New int
}

// Append appends events to the named feed, in their order, in the transaction tx
// on PostgreSQL. The events become visible when the caller commits; after an
// error the caller must roll back. Appending no events does nothing.
//
// An event needs a Type. Defaults of the other attributes: ID is a new UUIDv7
// (RFC 9562, section 5.7), Source is "/" and the feed's name, Time is the current
// time. [event.Event] names the bounds of each attribute; an event has at most
// [event.MaxSize] bytes.
//
// Append is idempotent: an event whose Source and ID are in the feed already is
// skipped if its content is the same. An event without a Time is equal to one
// with any time. To be able to repeat an append, as after a commit whose outcome is
// not known, give the event an ID: without one it is another event each time.
//
// The error is [ErrNoFeed], [ErrConflict], [event.ErrTooLarge], [event.ErrTooMany],
// one that says which attribute is not valid, or the database's own.
func Append(ctx context.Context, tx pgx.Tx, feed string, events ...event.Event) (Result, error) {
	return AppendExpecting(ctx, tx, feed, nil, events...)
}

// Versions are versions of entities by their subjects. The version of an entity is the
// number of its events, 0 if it has none.
type Versions map[string]int64

// AppendExpecting is [Append], if each entity in expected is at that version before the
// call: optimistic concurrency control. Of several transactions that expect the same
// version of an entity exactly one commits. The feed must have entities (feedserver
// create NAME --entities), and the call an event for each subject in expected.
//
// If all events of an entity are in the feed already, its version is not compared: a
// repeated append is never a version conflict.
//
// The error is one of Append's, [ErrVersion] or [ErrNoEntities].
func AppendExpecting(ctx context.Context, tx pgx.Tx, feed string, expected Versions, events ...event.Event) (Result, error) {
	return appendVia(ctx, events, expected, func(events []event.Event) (int, error) {
		return appendPgx(ctx, tx, feed, events, expected)
	})
}

// AppendSQL is [Append] for a transaction of database/sql, on PostgreSQL or on
// SQLite, with any driver.
func AppendSQL(ctx context.Context, tx *sql.Tx, feed string, events ...event.Event) (Result, error) {
	return AppendSQLExpecting(ctx, tx, feed, nil, events...)
}

// AppendSQLExpecting is [AppendExpecting] for a transaction of database/sql, on
// PostgreSQL or on SQLite, with any driver.
func AppendSQLExpecting(ctx context.Context, tx *sql.Tx, feed string, expected Versions, events ...event.Event) (Result, error) {
	return appendVia(ctx, events, expected, func(events []event.Event) (int, error) {
		return appendSQL(ctx, tx, feed, events, expected)
	})
}

// appendVia brings events to normal form, and appends them with a driver. It leaves
// it to the caller, who knows more of what is going on, to name feed and append in
// errors.
func appendVia(ctx context.Context, events []event.Event, expected Versions, driver func([]event.Event) (added int, err error)) (Result, error) {
	if err := expected.check(events); err != nil {
		return Result{}, err
	}
	normal, err := prepare(ctx, events)
	if err != nil || len(normal) == 0 {
		return Result{}, err
	}
	result := Result{IDs: make([]string, len(normal))}
	for i := range normal {
		result.IDs[i] = normal[i].ID
	}
	if result.New, err = driver(normal); err != nil {
		return Result{}, err
	}
	return result, nil
}

// prepare returns the events in normal form, each with an id.
func prepare(ctx context.Context, events []event.Event) ([]event.Event, error) {
	normal := make([]event.Event, len(events))
	for i, e := range events {
		e, err := withAuth(ctx, e)
		if err != nil {
			return nil, err
		}
		n, err := cloudevents.Normal(e)
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

// check refuses a version that no event would be held to.
func (v Versions) check(events []event.Event) error {
	for subject, version := range v {
		switch {
		case subject == "":
			return errors.New("a version is expected without a subject: an event without one belongs to no entity")
		case version < 0:
			return fmt.Errorf("expected version %d of %q: it must be 0 or more", version, subject)
		case !slices.ContainsFunc(events, func(e event.Event) bool { return e.Subject == subject }):
			return fmt.Errorf("version %d of %q is expected, and no event of it is appended", version, subject)
		}
	}
	return nil
}
