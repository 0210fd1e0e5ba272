package checkpoint_test

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

func TestInboxTakesNoEventsOfAFeedWithoutANumber(t *testing.T) {
	t.Parallel()
	numbers := map[string]int32{"urn:uuid:1": 1, "urn:uuid:2": 2}
	of := func(ids ...string) (events []event.Delivered) {
		for _, id := range ids {
			events = append(events, event.Delivered{Feed: "orders", FeedID: id})
		}
		return events
	}
	if err := checkpoint.CheckNumbers(numbers, of("urn:uuid:1", "urn:uuid:1", "urn:uuid:2")); err != nil {
		t.Error(err)
	}
	err := checkpoint.CheckNumbers(numbers, of("urn:uuid:1", "urn:uuid:3"))
	if err == nil || !strings.Contains(err.Error(), "feed orders (urn:uuid:3) has no number") {
		t.Errorf("got %v", err)
	}
	if checkpoint.CheckNumbers(numbers, of("")) == nil {
		t.Error("an event of a feed without an id is taken")
	}
}
