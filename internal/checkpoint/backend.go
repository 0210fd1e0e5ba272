package checkpoint

import (
	"context"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Backend is a target that is opened for one run, in one kind of database or log. Session
// has the decisions that are the same for all kinds. Only one goroutine at a time may use a
// backend, except for its Memory.
//
// A backend marks an error that an event itself causes, and would cause again, with Own.
type Backend interface {
	// Prepare creates what is missing to keep checkpoints. It is called again after an
	// error.
	Prepare(ctx context.Context) error
	// Claim makes this process the holder of a consumer, until the next Claim or Close. It
	// returns ErrHeld while another process is the holder.
	Claim(ctx context.Context, consumer string) error
	// Lost returns a channel that is closed when another process may hold the consumer. It
	// is nil, or never closed, while no consumer is held.
	Lost() <-chan struct{}
	// Load returns the held consumer and its checkpoints, in the order of feed ids. Name
	// is empty if the consumer is not stored yet.
	Load(ctx context.Context) (Consumer, []Checkpoint, error)
	// Begin stores the consumer and the first checkpoints of feeds that it has not read
	// yet, and prepares the sink. If fresh is set, it sets the sink up before. It does all
	// of this or nothing.
	Begin(ctx context.Context, c Consumer, first []Checkpoint, fresh bool) error
	// Step moves the consumer's checkpoints and runs do, atomically, and returns when both
	// are durable. It returns ErrMoved, and changes nothing, if a checkpoint is not where
	// its move begins, or belongs to another holder. do may add skipped events to the
	// moves. After another error, all or nothing has been written; or, in a log that keeps
	// each event's place with it, a first part, whose end Load returns.
	Step(ctx context.Context, moves []Move, do func(Tx) error) error
	// Diagnose classifies an error of the backend, and drops connections that the error
	// shows to be dead.
	Diagnose(err error) Trouble
	// Close releases the consumer, and closes what was opened.
	Close()
}

// Tx is the transaction of a Step.
type Tx interface {
	// Apply passes events to the sink. Their strings and data are in pages that are reused
	// after the step, so a sink that keeps them must copy them.
	Apply(ctx context.Context, b Batch) (Outcome, error)
}

// Trouble says whether an operation can be retried after an error of a target.
type Trouble int

const (
	// Permanent is an error that needs an operator.
	Permanent Trouble = iota
	// Away is a transient error: the target is unreachable, or another process may hold
	// the consumer.
	Away
	// Refused is a transient error of a target that is reachable and cannot do it now.
	Refused
)

// Parker is a Backend that keeps parked events. Its Tx is a ParkTx.
type Parker interface {
	// Entities returns the entities of the consumer's parked events.
	Entities(ctx context.Context, consumer string) (map[Entity]bool, error)
	// CountParked counts the parked events of a feed after a position. The consumer must
	// be held.
	CountParked(ctx context.Context, consumer, feedID string, after int64) (int64, error)
	// ListParked calls yield with parked events, in the order of consumers, feed ids and
	// positions, until it returns false. It needs no claim, and creates nothing.
	ListParked(ctx context.Context, of ParkedFilter, yield func(Parked) bool) error
}

// ParkTx is a Tx in which events can be tried and parked.
type ParkTx interface {
	Tx
	// Savepoints returns a function that runs do in a savepoint, and rolls back to it if do
	// returns an error. Deferred constraints are checked at the end of the savepoint.
	Savepoints(ctx context.Context) (try func(do func() error) error, err error)
	// Park parks events.
	Park(ctx context.Context, events []Parked) error
	// NextParked returns the next of one consumer's parked events after a place; none at
	// the end.
	NextParked(ctx context.Context, of ParkedFilter, after ParkedPlace) ([]Parked, error)
	// Unpark deletes a parked event that was applied.
	Unpark(ctx context.Context, e *Parked) error
	// KeepParked stores another failed attempt to apply an event.
	KeepParked(ctx context.Context, e *Parked) error
}

// Rewinder is a Backend that supports Rewind and Reset.
type Rewinder interface {
	// Consumers returns the names of all consumers, and upgrades existing tables. It needs
	// no claim, and creates nothing.
	Consumers(ctx context.Context) ([]string, error)
	// Kept returns the places of a feed that a consumer keeps, in the order of positions.
	Kept(ctx context.Context, consumer, feedID string) ([]feed.Place, error)
	// Rewind moves a checkpoint back, and deletes the parked events and the events of the
	// inbox after it.
	Rewind(ctx context.Context, from, to Checkpoint) error
	// Reset deletes a consumer, with all of its checkpoints, parked events and events in
	// the inbox.
	Reset(ctx context.Context, all []Checkpoint) error
	// Inbox returns the sink's inbox; nil if the sink is not one.
	Inbox() Inbox
}

// Inbox is a table with every event as it was published.
type Inbox interface {
	Table() string
	// Count counts a consumer's events of a feed after a position.
	Count(ctx context.Context, consumer, feedID string, after int64) (int64, error)
	// Read calls yield with the events after one position and up to another, in order.
	Read(ctx context.Context, consumer, feedID string, after, to int64, yield func(*event.Placed) error) error
}

// Rememberer is a Backend that keeps what a consumer knows about foreign feeds.
type Rememberer interface {
	Memory(consumer, feedID string) Memory
}

// FeedBinder is a Backend that is opened for one feed, and has to know it before any other call but
// Prepare.
type FeedBinder interface {
	Bind(feedID, name string)
}

// Replaceable is a Backend whose database can be replaced by another one while it is open, as a
// file can.
type Replaceable interface {
	// Replaced returns a channel that is closed when that happens after Claim; nil before
	// Claim. The checkpoints have to be loaded again then.
	Replaced() <-chan struct{}
}

// SkipCounter is a Backend that counts skipped events by type.
type SkipCounter interface {
	// SkippedTypes returns the counts, largest first.
	SkippedTypes(ctx context.Context, consumer string) ([]SkippedType, error)
}

// LockSharer is a Backend whose lock of a consumer can be handed to a child process.
type LockSharer interface {
	// ShareLock calls use with a descriptor. A process that inherits the descriptor holds
	// the lock as long as it keeps it open, even after this process has ended. ShareLock
	// returns ErrLost if there is no lock.
	ShareLock(use func(fd uintptr) error) error
}
