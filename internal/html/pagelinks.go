package html

import (
	"strconv"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// pageLinks lead from a part of a feed to the others. Empty references are left out.
type pageLinks struct {
	Newest, Newer, Older, Oldest string
	End                          string // what is said instead of Older; empty for the usual words
	Page, Pages                  int64  // "Page 3 of 5"; not shown if Pages is 0
}

// before is the reference to the events before a position, on the page self.
func before(self string, position int64) string {
	return self + "?before=" + strconv.FormatInt(position, 10)
}

// oldest is the reference to the oldest events of a feed: the server finds their page.
func oldest(self string) string { return self + "?position=1" }

// inList is the reference to the list that has a position, and to its row.
func inList(self string, position int64) string {
	return self + "?position=" + strconv.FormatInt(position, 10)
}

// pages is the number of pages of a feed: its archives, and the one that is not archived yet.
func pages(d *feed.Document) int64 { return d.Archives + 1 }
