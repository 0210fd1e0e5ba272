// Package entity rebuilds entities from the events of a feed, decides on their state, and
// appends what was decided only if nobody else was faster.
//
// An entity is what all events with one subject of one feed are about: an order, an
// account. Its version is the number of its events. A [Repository] says how a state
// comes from events:
//
//	type Order struct {
//		Paid bool `json:"paid"`
//	}
//
//	var orders = &entity.Repository[Order]{
//		Feed: "orders",
//		Apply: func(o Order, e event.Event) (Order, error) {
//			if e.Type == "OrderPaid" {
//				o.Paid = true
//			}
//			return o, nil
//		},
//		SnapshotEvery: 100,
//	}
//
//	paid, err := orders.Update(ctx, entity.Pgx(pool), "o-1",
//		func(ctx context.Context, tx entity.Tx, o Order) ([]event.Event, error) {
//			if o.Paid {
//				return nil, errors.New("it is paid already")
//			}
//			return []event.Event{{Type: "OrderPaid"}}, nil
//		})
//
// The feed must have entities: feedserver create NAME --entities, or feedserver
// entities NAME for one with history. On PostgreSQL the service's role needs
// eventfeed_writer and eventfeed_entities. On SQLite see package outbox for how to open
// the file.
//
// # Waiting
//
// Appends to one entity wait for one another until the commit, so append late in a
// transaction. A transaction that writes to several entities takes them in one order,
// and its own rows in one order too. [Repository.Update] and [Retry] repeat a
// transaction that lost a race or a deadlock.
//
// # Snapshots
//
// A snapshot keeps the state at a version, so that a load folds only the events behind
// it. It is a cache: one that is missing, broken, of another revision, or of events that
// were rolled back means that the load folds more events, and never an error. A change
// of the type S is noticed by itself. If Apply, Upcast or a MarshalJSON changes what they
// do, raise Revision.
package entity

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/outbox"
)

// Errors that callers tell apart. Those of package outbox are returned as well:
// [outbox.ErrNoFeed], [outbox.ErrNoEntities], [outbox.ErrConflict].
var (
	// ErrVersion reports that another transaction has appended to the entity since it was
	// loaded. Repeat the transaction from where it loads the entity.
	ErrVersion = outbox.ErrVersion
	// ErrPast reports an append to an entity as it was at a time in the past.
	ErrPast = errors.New("the entity was loaded as of a time, load it without to append to it")
)

// Repository loads and changes the entities of a feed whose state is an S. Any number of
// goroutines may use one; its fields must not change meanwhile.
type Repository[S any] struct {
	// Feed is the name of the feed.
	Feed string
	// Apply returns the state after an event. It must be pure: the same events give the
	// same state, always. It may change and return the state that it got.
	Apply func(S, event.Event) (S, error)
	// SnapshotEvery is after how many events a load or an update keeps a snapshot; 0:
	// never. The state must then survive encoding/json: a field that it leaves out
	// makes every load and update return an error that names it.
	SnapshotEvery int
	// Revision is to be raised when Apply, Upcast or a MarshalJSON changes what it
	// does: snapshots of other revisions are not used.
	Revision int
	// Upcast, if it is not nil, returns what Apply gets instead of an event: old shapes
	// of events as today's, as one or several, or none.
	Upcast func(event.Event) ([]event.Event, error)
	// Name is the name of the snapshots; left out, it is the name of the type S. Two
	// repositories of one feed need names of their own.
	Name string
	// Logger gets a warning if snapshots cannot be kept, at most one a minute; nil is
	// slog.Default().
	Logger *slog.Logger

	warned atomic.Int64 // when, in Unix seconds
}

// Entity is an entity as it was loaded.
type Entity[S any] struct {
	Subject string
	Version int64 // number of its events; 0 if it does not exist
	State   S

	last      place      // of its last event
	chain     feed.Chain // of its events, by version
	unchained bool       // the snapshot that it was loaded from has no digest
	snapshot  int64      // version of that snapshot
	past      bool       // loaded as of a time
}

// place names an event of an entity.
type place struct{ source, id string }
