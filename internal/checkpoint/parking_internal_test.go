package checkpoint

import (
	"testing"

	"github.com/eventfeed/eventfeed/event"
)

// TestABatchThatNothingWaitsInIsNotCopied: parking costs what is parked, no more.
func TestABatchThatNothingWaitsInIsNotCopied(t *testing.T) {
	t.Parallel()
	b := Batch{Events: make([]event.Delivered, 3)}
	for i := range b.Events {
		b.Events[i].FeedID, b.Events[i].Subject = "f", string(rune('a'+i))
	}
	for name, p := range map[string]*parking{
		"nothing is parked":       {},
		"others are parked":       {entities: map[Entity]bool{{FeedID: "g", Subject: "a"}: true}},
		"one without a subject":   {entities: map[Entity]bool{{FeedID: "f"}: true}},
		"its feed's other entity": {entities: map[Entity]bool{{FeedID: "f", Subject: "d"}: true}},
	} {
		if ready, waiting := p.sort(b); &ready.Events[0] != &b.Events[0] || len(ready.Events) != 3 || waiting != nil {
			t.Errorf("%s: %d events are ready, %v wait", name, len(ready.Events), waiting)
		}
	}
	one := &parking{entities: map[Entity]bool{{FeedID: "f", Subject: "b"}: true}}
	ready, waiting := one.sort(b)
	if len(ready.Events) != 2 || ready.Events[1].Subject != "c" || len(waiting) != 1 || waiting[0] != 1 || b.Events[1].Subject != "b" {
		t.Errorf("%v are ready, %v wait", ready.Events, waiting)
	}
}
