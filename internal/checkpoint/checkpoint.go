// Package checkpoint keeps the position of each consumer in each feed, its checkpoint, in
// the target itself, and moves it in the transaction that applies the events.
//
// [Session] decides what a step does. A [Backend] does it in one kind of database or log
// (packages postgres and sqlite). A backend that supports more implements more interfaces:
// [Parker], [Rewinder], [Rememberer]. Package checkpointtest has the tests that every backend
// must pass.
//
// Two things prevent two seeders of one consumer from applying events: a lock that ends with
// the process, and the checkpoint itself, which only its current holder can move, and only
// from the position and digest that the holder expects.
package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Errors that callers distinguish. They are wrapped.
var (
	// ErrHeld is returned by Claim while another seeder holds the consumer.
	ErrHeld = errors.New("another seeder holds this consumer")
	// ErrMoved is returned by writes for a consumer whose checkpoint is not at the expected
	// place: another seeder has claimed the consumer.
	ErrMoved = errors.New("the checkpoint was moved by someone else")
	// ErrLost is returned by writes after the consumer's lock was lost: another seeder may
	// hold the consumer, so it must be claimed again.
	ErrLost = errors.New("the consumer's lock was lost")
)

// ClaimPatience is how long Claim waits for a holder that may be dead: the holder's database
// session ends a moment after its process.
const ClaimPatience = 3 * time.Second

// Checkpoint is the place up to which a consumer has applied one feed.
type Checkpoint struct {
	Consumer string
	Feed     string // the feed's name
	FeedID   string
	URL      string // the URL that the feed was last read from, without credentials
	Epoch    string // of the event at Position
	Position int64
	Digest   feed.Digest
	SeedEnd  int64 // last position of the initial seed; later events are live
	Skipped  int64 // events that the sink skipped
	LeftOut  int64 // events later than the consumer's AsOf
	// Generation is the generation that a publisher publishes, and GenerationStart the position
	// after which it began. 0 for another sink, unless the consumer's program has stored there
	// which generation of a publisher it follows.
	Generation, GenerationStart int64
	Updated                     time.Time
}

// String names the checkpoint in errors.
func (c Checkpoint) String() string {
	return fmt.Sprintf("consumer %s of feed %s at position %d", c.Consumer, c.Feed, c.Position)
}

// Move is a change of a checkpoint from one place to another, forward or back.
type Move struct {
	From, To Checkpoint
	Marks    Marks // the archives and entries of a foreign feed that are applied with it
	// SkippedTypes counts the events by which To.Skipped grows, by type.
	SkippedTypes map[string]int64
	// Kept are the feed's places at KeptPositions; none for a foreign feed.
	Kept []feed.Place
}

// Skip counts n skipped events of a type.
func (m *Move) Skip(name string, n int64) {
	if m.SkippedTypes == nil {
		m.SkippedTypes = make(map[string]int64)
	}
	m.SkippedTypes[name] += n
}

// UTC is the time zone of the SQL and the handlers of users, unless a projection names
// another.
const UTC = "UTC"

// The kinds of sinks.
const (
	SinkInbox      = "inbox"
	SinkHandler    = "handler"
	SinkProjection = "projection"
	SinkProgram    = "program"
	SinkPublisher  = "publisher"
)

// Consumer holds what all checkpoints of a consumer have in common.
type Consumer struct {
	Name           string
	Sink           string    // the kind of the sink; empty if not known
	KeepsEvents    bool      // the sink keeps events as they were published, so Rewind can delete them
	Projection     string    // name of the projection file; empty for another sink
	ProjectionHash []byte    // SHA-256 of the projection's text
	SetupHash      []byte    // SHA-256 of the projection's setup
	Schema         string    // schema of the projection's tables; empty if none was given
	TimeZone       string    // time zone of the SQL and handlers of users; empty if the sink has neither
	PublishesTo    string    // where a publisher sends the events: exchange orders of vhost /; empty for another sink
	AsOf           time.Time // events later than this were left out; zero: none were
	HeldBy         string    // process that claimed the consumer last
	HeldSince      time.Time
}

// Process returns the name of this process for people: its host and process id.
func Process() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}

// IsClosed reports whether a channel is closed. Nothing may be sent on it.
func IsClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// NewHolder returns a new token that identifies a claim.
func NewHolder() string { return uuid.NewString() }
