package checkpoint

import (
	"fmt"

	"github.com/eventfeed/eventfeed/event"
)

// CheckNumbers returns an error if an inbox has no number for the feed of an event: nobody would
// find the event again.
func CheckNumbers(numbers map[string]int32, events []event.Delivered) error {
	for i := range events {
		e := &events[i]
		if i > 0 && e.FeedID == events[i-1].FeedID {
			continue
		}
		if _, has := numbers[e.FeedID]; !has {
			return fmt.Errorf("feed %s (%s) has no number in the inbox: start the seeder again, which gives it one", e.Feed, e.FeedID)
		}
	}
	return nil
}
