package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// ErrThere is returned, wrapped, for an event whose place in the inbox is taken.
var ErrThere = errors.New("the inbox already holds events of this consumer that are not in its checkpoint")

// Batch is events for one consumer, to be applied in this order, in one
// transaction. Those of each feed are consecutive.
type Batch struct {
	Consumer string
	Events   []event.Delivered
	// After returns where the checkpoints are to be moved when the first n events have
	// been applied. A log that keeps the place of each event with it asks for each.
	After func(n int) ([]Move, error)
}

// Outcome is what became of a batch's events.
type Outcome struct {
	Skipped map[FeedType]int64 // events that the sink has no use for
	Parked  []int              // indices of events that were not given to the sink but parked, ascending
	Took    time.Duration      // to apply them, without the commit
}

// FeedType is a type of events in one feed.
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

// ExtensionsJSON is the JSON object of an event's extensions, nil for none.
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
