package main

import (
	"testing"

	"github.com/eventfeed/eventfeed/seed"
)

func TestWhatGoingBackDoesIsSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change seed.Change
		want   string
	}{
		"the inbox goes back": {seed.Change{From: 150, To: 120, Events: 30, Compared: true, Sink: "inbox"},
			"the checkpoint moves from position 150 back to 120; 30 events are deleted from inbox"},
		"one event": {seed.Change{From: 121, To: 120, Events: 1, Compared: true},
			"the checkpoint moves from position 121 back to 120; 1 event is deleted from inbox"},
		"an inbox that is not whole": {seed.Change{From: 150, To: 120, Events: 30},
			"the checkpoint moves from position 150 back to 120; inbox does not hold all events up to there, so they were not compared with the feed; 30 events are deleted from inbox"},
		"nothing to delete": {seed.Change{From: 120, To: 120},
			"the checkpoint moves from position 120 back to 120; 0 events are deleted from inbox"},
		"a handler's target": {seed.Change{From: 150, To: 120},
			"the checkpoint moves from position 150 back to 120; what the handler wrote for positions 121 to 150 has been undone, as --undone says"},
		"a projection's target": {seed.Change{From: 5, To: 3, Projection: "shop.sql"},
			"the checkpoint moves from position 5 back to 3; what the projection shop.sql wrote for positions 4 to 5 has been undone, as --undone says"},
		"anew, a projection's target": {seed.Change{From: 5, Deleted: true, Projection: "shop.sql"},
			"the checkpoint at position 5 is deleted, so that the next run starts at position 1; what the projection shop.sql wrote for positions 1 to 5 has been undone, as --undone says"},
		"a projection that has applied nothing": {seed.Change{Deleted: true, Sink: "projection", Projection: "shop.sql"},
			"the checkpoint at position 0 is deleted, so that the next run starts at position 1; the projection shop.sql has applied no event after position 0"},
		"a program's target, to where it is": {seed.Change{From: 7, To: 7, Sink: "program"},
			"the checkpoint moves from position 7 back to 7; the program has applied no event after position 7"},
		"an inbox that was emptied": {seed.Change{From: 150, To: 120, Sink: "inbox"},
			"the checkpoint moves from position 150 back to 120; 0 events are deleted from inbox"},
		"anew": {seed.Change{From: 150, Deleted: true, Events: 150},
			"the checkpoint at position 150 is deleted, so that the next run starts at position 1; 150 events are deleted from inbox"},
		"with parked events": {seed.Change{From: 150, To: 120, Parked: 7, Sink: "program"},
			"the checkpoint moves from position 150 back to 120; 7 parked events are deleted; what the program wrote for positions 121 to 150 has been undone, as --undone says"},
		"with one parked event": {seed.Change{From: 150, Deleted: true, Events: 149, Parked: 1},
			"the checkpoint at position 150 is deleted, so that the next run starts at position 1; 1 parked event is deleted; 149 events are deleted from inbox"},
		"anew, a handler's target": {seed.Change{From: 150, Deleted: true},
			"the checkpoint at position 150 is deleted, so that the next run starts at position 1; what the handler wrote for positions 1 to 150 has been undone, as --undone says"},
	} {
		test.change.Consumer, test.change.Feed, test.change.FeedID, test.change.Inbox = "default", "orders", "urn:uuid:1", "inbox"
		if got, want := describe(test.change), "consumer default, feed orders (urn:uuid:1): "+test.want; got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
}
