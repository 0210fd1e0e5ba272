package checkpoint

import (
	"context"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Backend is a target that is opened for one run, as its database or log does it. What
// a run decides is in Session, once for all of them. A backend is for one goroutine at
// a time, but for what its Memory does.
//
// Errors of a single event, which it would have again the next time, are marked with
// Own.
type Backend interface {
	// Prepare makes what is missing to keep checkpoints. It is called again after an
	// error.
	Prepare(ctx context.Context) error
	// Claim makes this process the holder of a consumer, until it is called again or
	// Close is. It returns ErrHeld while another process is.
	Claim(ctx context.Context, consumer string) error
	// Lost returns a channel that is closed when someone else may hold the consumer. It
	// is nil, or never closed, while none is held.
	Lost() <-chan struct{}
	// Load returns what is known of the consumer that is held, and its checkpoints, in
	// the order of feed ids. Where nothing is known of it, its Name is empty.
	Load(ctx context.Context) (Consumer, []Checkpoint, error)
	// Begin writes down what the consumer is from now on, and the first checkpoints of
	// feeds that it has not read so far, and prepares the sink; where the consumer is
	// fresh it sets the sink up before that. All of it, or nothing.
	Begin(ctx context.Context, c Consumer, first []Checkpoint, fresh bool) error
	// Step makes moves of the consumer's checkpoints, together with what do does, and
	// returns when both are there to stay. It returns ErrMoved, and nothing is there, if
	// a checkpoint is not where its move begins, or is another holder's. do may count up
	// what the moves skip. After an error all is there, or nothing is; or in a log, which
	// keeps the place of each event with it, a beginning: then Load tells its end.
	Step(ctx context.Context, moves []Move, do func(Tx) error) error
	// Diagnose says what an error of the backend's means, and drops the connections that
	// it shows to be dead.
	Diagnose(err error) Trouble
	// Close gives the consumer back, and frees what was opened.
	Close()
}

// Tx is what Step does beside its moves.
type Tx interface {
	// Apply gives events to the sink. Their strings and data lie in pages that are used
	// again after the step: who keeps them copies them.
	Apply(ctx context.Context, b Batch) (Outcome, error)
}

// Trouble is what an error of a target means to whoever wants to go on.
type Trouble int

const (
	// Permanent is an error that only a person mends.
	Permanent Trouble = iota
	// Away is a target that cannot be reached, or may be held by someone else. The error
	// is transient.
	Away
	// Refused is a target that answers, and cannot do it now. The error is transient.
	Refused
)

// Parker is a Backend that keeps parked events. Its Tx is a ParkTx.
type Parker interface {
	// Entities returns the entities that the consumer has parked events of.
	Entities(ctx context.Context, consumer string) (map[Entity]bool, error)
	// CountParked counts the parked events of a feed behind a position. The consumer
	// must be held.
	CountParked(ctx context.Context, consumer, feedID string, after int64) (int64, error)
	// ListParked calls yield with parked events until it returns false, in the order of
	// consumers, feed ids and positions. It needs no claim, and makes nothing.
	ListParked(ctx context.Context, of ParkedFilter, yield func(Parked) bool) error
}

// ParkTx is a Tx in which events can be tried, and parked.
type ParkTx interface {
	Tx
	// Savepoints returns what runs something in a savepoint: as if it had not been, if
	// it returns an error. Constraints that would be checked at the commit are checked
	// where the savepoint ends.
	Savepoints(ctx context.Context) (try func(do func() error) error, err error)
	// Park adds events to those that are parked.
	Park(ctx context.Context, events []Parked) error
	// NextParked returns some of the parked events behind a place, of one consumer; none
	// at the end.
	NextParked(ctx context.Context, of ParkedFilter, after ParkedPlace) ([]Parked, error)
	// Unpark removes an event that has been applied.
	Unpark(ctx context.Context, e *Parked) error
	// KeepParked writes down another attempt to apply an event.
	KeepParked(ctx context.Context, e *Parked) error
}

// Rewinder is a Backend whose consumers can go back.
type Rewinder interface {
	// Consumers returns the names of the consumers that are there, and brings their
	// tables up to date. It needs no claim, and makes nothing that is not there.
	Consumers(ctx context.Context) ([]string, error)
	// Kept returns the places that a consumer keeps of a feed, in the order of
	// positions.
	Kept(ctx context.Context, consumer, feedID string) ([]feed.Place, error)
	// Rewind moves a checkpoint back, and forgets what lies behind it: parked events,
	// and the events in the inbox.
	Rewind(ctx context.Context, from, to Checkpoint) error
	// Reset forgets a consumer, with all of its checkpoints, parked events and events in
	// the inbox.
	Reset(ctx context.Context, all []Checkpoint) error
	// Inbox returns where the sink keeps the events as they came; nil where it does not.
	Inbox() Inbox
}

// Inbox is a table of all events as they came.
type Inbox interface {
	Table() string
	// Count counts a consumer's events of a feed behind a position.
	Count(ctx context.Context, consumer, feedID string, after int64) (int64, error)
	// Read calls yield with them, in order, after one position and up to another.
	Read(ctx context.Context, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error
}

// Rememberer is a Backend that keeps what a consumer knows of a feed that is not
// eventfeed's own.
type Rememberer interface {
	Memory(consumer, feedID string) Memory
}

// SkipCounter is a Backend that keeps what a consumer's sink had no use for, by type.
type SkipCounter interface {
	// SkippedTypes returns it, the most first.
	SkippedTypes(ctx context.Context, consumer string) ([]SkippedType, error)
}

// LockSharer is a Backend whose lock of a consumer can be handed to a child process.
type LockSharer interface {
	// ShareLock calls use with a descriptor that keeps the lock for whoever inherits it,
	// as long as that holds it open, also if this process ends first. It returns ErrLost
	// without a lock.
	ShareLock(use func(fd uintptr) error) error
}
