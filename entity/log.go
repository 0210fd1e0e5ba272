package entity

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/outbox"
)

// log is what a database does with entities: in a way of its own for each driver.
type log interface {
	// load calls yield with what a request asks for: first the snapshot, if there is one
	// that fits, and then the events behind it, in the order of their versions.
	load(ctx context.Context, r request, yield func(*row) error) error
	// append appends events, as outbox.AppendExpecting.
	append(ctx context.Context, c call) (outbox.Result, error)
	// saveSnapshot keeps a snapshot, and reports whether it did: not if its last event is
	// not that version.
	saveSnapshot(ctx context.Context, s *snapshot) (bool, error)
	// snapshots returns the entities behind subject "after" that have a snapshot of this
	// name and revision, by their subjects: some of them, none if there are no more.
	snapshots(ctx context.Context, feed, name, revision, after string) ([]subjectVersion, error)
	// hurry makes a transaction wait for locks for a moment only.
	hurry(ctx context.Context) error
}

// request says what to load of an entity.
type request struct {
	feed, subject  string
	name, revision string // of the snapshot; empty for none
	after          int64  // the version that is known
	upTo           int64
	asOf           *time.Time // nil: now
}

// row is a snapshot or an event.
type row struct {
	isSnapshot bool
	version    int64
	event      event.Event // of a snapshot, it has id and source of the last event
	state      []byte
	digest     []byte // of a snapshot; may be nil
}

// call is an append to one entity.
type call struct {
	feed     string
	subject  string
	expected int64
	events   []event.Event
}

func (c *call) versions() outbox.Versions { return outbox.Versions{c.subject: c.expected} }

type snapshot struct {
	feed, subject, name, revision string
	version                       int64
	last                          place
	state, digest                 []byte
}

type subjectVersion struct {
	subject string
	version int64
}

// pageSize is how many events are asked for at once.
const pageSize = 1000

// snapshotWait is how long the keeping of a snapshot waits for a lock: the caller waits
// for it too.
const snapshotWait = 200 * time.Millisecond
