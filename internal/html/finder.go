package html

import (
	"slices"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// finder is what the forms need that find events of a feed.
type finder struct {
	Action  string // reference to the feed's page
	Query   string // what the search field has
	Example string // a subject of the feed
	Filter
	IsOpen bool     // the filter is unfolded
	Types  []string // to choose from; empty if there are none, or too many
	Pages  int64
}

// mostTypes is the maximum number of types to choose from.
const mostTypes = 100

func finderOf(self string, d *feed.Document) finder {
	f := finder{Action: self, Pages: pages(d)}
	for i := len(d.Entries) - 1; i >= 0 && f.Example == ""; i-- {
		if subject := d.Entries[i].Subject; subject == clip(shownExample, plain(subject)) {
			f.Example = subject
		}
	}
	if counts, known := d.Types(); known && len(counts) <= mostTypes {
		for _, count := range counts {
			f.Types = append(f.Types, count.Type)
		}
		slices.Sort(f.Types)
	}
	return f
}

// shownExample is the maximum number of characters of a subject that is an example.
const shownExample = 40

// Unlisted is the type of the filter if it is not among those to choose from.
func (f finder) Unlisted() string {
	if slices.Contains(f.Types, f.Type) {
		return ""
	}
	return f.Type
}
