package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// ErrThere is returned, wrapped, if the inbox already has an event at an event's position.
var ErrThere = errors.New("the inbox already holds events of this consumer that are not in its checkpoint")

// Batch is events for one consumer, to be applied in this order, in one transaction. Those of
// each feed are consecutive.
type Batch struct {
	Consumer string
	Events   []event.Delivered
	// After returns the moves of the checkpoints for the first n events. A log that keeps
	// each event's place with it calls After for each event.
	After func(n int) ([]Move, error)
	// Places returns the place of an event, given its index, and the place before it in its
	// feed. It fails for a foreign feed, which has no digests.
	Places func(i int) (before, at feed.Place, err error)
}

// Outcome is the result of applying a batch.
type Outcome struct {
	Skipped map[FeedType]int64 // number of events that the sink skipped
	Parked  []int              // indices of parked events, ascending
	// Unroutable is the number of events that an external sink passed on and that went to no
	// queue.
	Unroutable int64
	Took       time.Duration // the time to apply the events, without the commit
}

// FeedType is an event type of one feed.
type FeedType struct{ FeedID, Type string }

// EventError is an error of applying one event.
type EventError struct {
	Feed     string // the feed's name
	Position int64
	ID       string
	Err      error
}

func (e *EventError) Error() string {
	return fmt.Sprintf("feed %s, position %d (event %s): %s", e.Feed, e.Position, e.ID, e.Err)
}

func (e *EventError) Unwrap() error { return e.Err }

// ExtensionsJSON returns an event's extensions as a JSON object; nil if there are none.
func ExtensionsJSON(extensions map[string]string) []byte {
	if len(extensions) == 0 {
		return nil
	}
	text, err := json.Marshal(extensions)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	return text
}
