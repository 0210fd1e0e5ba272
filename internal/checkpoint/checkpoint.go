// Package checkpoint keeps the position of each consumer in each feed, its checkpoint, in
// the target itself, and moves it in the transaction that applies the events.
//
// [Session] decides what a step does. A [Backend] does it in one kind of database or log
// (packages postgres and sqlite). A backend that supports more implements more interfaces:
// [Parker], [Rewinder], [Rememberer]. Package checkpointtest has the tests that every backend
// must pass.
//
// Two things keep two seeders of one consumer apart: a lock that ends with the process, and
// the checkpoint itself, which moves only for its present holder, from the position and
// digest that the holder expects.
package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Errors that callers tell apart.
var (
	// ErrHeld is returned by Claim while another seeder holds the consumer.
	ErrHeld = errors.New("another seeder holds this consumer")
	// ErrMoved is returned by what writes for a consumer if its checkpoint is not where
	// it should be: another seeder has taken the consumer over.
	ErrMoved = errors.New("the checkpoint was moved by someone else")
	// ErrLost is returned by whatever writes after the consumer's lock was lost:
	// another seeder may hold the consumer, so it must be claimed again.
	ErrLost = errors.New("the consumer's lock was lost")
)

// ClaimPatience is how long Claim waits for a holder that may be dead: its
// database session ends a moment after it.
const ClaimPatience = 3 * time.Second

// Checkpoint is how far a consumer has got with one feed.
type Checkpoint struct {
	Consumer string
	Feed     string // the feed's name
	FeedID   string
	URL      string // where the feed was read last, without credentials
	Epoch    string // of the event at Position
	Position int64
	Digest   feed.Digest
	SeedEnd  int64 // last position of the history that the consumer began with; what lies behind it is news
	Skipped  int64 // events that the sink had no use for
	LeftOut  int64 // events later than the consumer's AsOf
	Updated  time.Time
}

// String names the checkpoint in errors.
func (c Checkpoint) String() string {
	return fmt.Sprintf("consumer %s of feed %s at position %d", c.Consumer, c.Feed, c.Position)
}

// Move takes a checkpoint from one place to another, on or back.
type Move struct {
	From, To Checkpoint
	Marks    Marks // what of a feed that is not eventfeed's own is applied with it
	// SkippedTypes are the events by which To.Skipped grows, by type.
	SkippedTypes map[string]int64
	// Kept are the feed's places at KeptPositions; none for a feed that is not
	// eventfeed's own.
	Kept []feed.Place
}

// Skip counts n skipped events of a type.
func (m *Move) Skip(name string, n int64) {
	if m.SkippedTypes == nil {
		m.SkippedTypes = make(map[string]int64)
	}
	m.SkippedTypes[name] += n
}

// UTC is the time zone that the SQL and the handlers of users run in, unless a projection
// names another.
const UTC = "UTC"

// The kinds of sinks that a consumer's events are applied by.
const (
	SinkInbox      = "inbox"
	SinkHandler    = "handler"
	SinkProjection = "projection"
	SinkProgram    = "program"
)

// Consumer is what all checkpoints of a consumer have in common.
type Consumer struct {
	Name           string
	Sink           string    // its kind; empty if not known
	KeepsEvents    bool      // the sink keeps events as they came: those that the consumer goes back behind can be taken away again
	Projection     string    // name of the projection's file, empty where there is none
	ProjectionHash []byte    // SHA-256 of the projection's text
	SetupHash      []byte    // SHA-256 of its set-up
	Schema         string    // where the projection's tables are, empty where nothing was said
	TimeZone       string    // that SQL of users and handlers run in; empty where nothing runs any
	AsOf           time.Time // events later than this were left out; zero: none were
	HeldBy         string    // process that claimed it last
	HeldSince      time.Time
}

// Process names this process to people.
func Process() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, process %d", host, os.Getpid())
}

// IsClosed reports whether a channel is closed that nothing is sent on.
func IsClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// NewHolder makes the token that tells this claim from every other.
func NewHolder() string { return uuid.NewString() }
