// Package checkpoint keeps how far a consumer has got with a feed, in the
// target's own database, and moves it in the transaction that applies the
// events, or takes them back.
//
// Two things keep two seeders of one consumer apart: a lock that goes with the
// process, and behind it the checkpoint itself, which moves only for its
// present holder, from the position and digest that the holder believes in.
package checkpoint

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Errors that callers tell apart.
var (
	// ErrHeld is returned by Claim while another seeder holds the consumer.
	ErrHeld = errors.New("another seeder holds this consumer")
	// ErrMoved is returned by Move and Delete if the checkpoint is not where it
	// should be: another seeder has taken the consumer over.
	ErrMoved = errors.New("the checkpoint was moved by someone else")
)

// claimPatience is how long Claim waits for a holder that may be dead: its
// database session ends a moment after it.
const claimPatience = 3 * time.Second

// Checkpoint is how far a consumer has got with one feed.
type Checkpoint struct {
	Consumer string
	Feed     string // the feed's name
	FeedID   string
	Epoch    string // of the event at Position
	Position int64
	Digest   feed.Digest
	Updated  time.Time
}

// String names the checkpoint in errors.
func (c Checkpoint) String() string {
	return fmt.Sprintf("consumer %s of feed %s at position %d", c.Consumer, c.Feed, c.Position)
}

// newHolder makes the token that tells this claim from every other.
func newHolder() string { return uuid.NewString() }
