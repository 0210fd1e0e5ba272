// Package sink applies events to a target's database: it fills the inbox, a
// table with every event as it came.
package sink

import (
	"encoding/json"
	"errors"

	"github.com/eventfeed/eventfeed/event"
)

// ErrThere is returned, wrapped, for an event whose place in the inbox is taken.
var ErrThere = errors.New("the inbox holds events of this consumer already that its checkpoint does not know of")

// Batch is a run of consecutive events of one feed for one consumer.
type Batch struct {
	Consumer string
	Feed     string
	FeedID   string
	Events   []event.Placed
}

// extensionsJSON is the JSON object of an event's extensions, nil for none.
func extensionsJSON(extensions map[string]string) []byte {
	if len(extensions) == 0 {
		return nil
	}
	text, err := json.Marshal(extensions)
	if err != nil {
		panic(err) // a map of strings always has a JSON form
	}
	return text
}
