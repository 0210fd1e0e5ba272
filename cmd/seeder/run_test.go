package main

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/seed"
)

// A follower that is stopped before the history is in must not look like one
// that has come to the end.
func TestWhereAFollowerWasStoppedIsSaid(t *testing.T) {
	t.Parallel()
	at := func(position, head int64) seed.FeedProgress {
		return seed.FeedProgress{Feed: "orders", Position: position, Head: head}
	}
	for name, test := range map[string]struct {
		progress seed.Progress
		until    int64
		want     string
	}{
		"in the history":           {seed.Progress{Feeds: []seed.FeedProgress{at(9000, 180001)}}, 0, "orders: stopped at position 9000 of 180001; the next run continues from there\n"},
		"before the place to stop": {seed.Progress{Feeds: []seed.FeedProgress{at(9000, 180001)}}, 9500, "orders: stopped at position 9000 of 9500; the next run continues from there\n"},
		"at the place to stop":     {seed.Progress{Feeds: []seed.FeedProgress{at(9500, 180001)}}, 9500, ""},
		"one feed of two":          {seed.Progress{Feeds: []seed.FeedProgress{at(5, 5), at(1, 5)}}, 0, "orders: stopped at position 1 of 5; the next run continues from there\n"},
		"while following":          {seed.Progress{Following: true, Feeds: []seed.FeedProgress{at(4, 5)}}, 0, ""},
		"before anything was read": {},
	} {
		var out strings.Builder
		if err := sayStopped(&out, test.progress, seed.Config{Until: test.until}); err != nil || out.String() != test.want {
			t.Errorf("%s: %v: got %q, want %q", name, err, out.String(), test.want)
		}
	}
}
