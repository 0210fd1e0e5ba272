package projection

import "fmt"

// Head is one of the names that the head of a block has.
type Head struct {
	Place string // FILE:LINE
	Name  string // TYPE or FEED/TYPE, without quotes
	Feed  string // the feed's name or id; empty for all feeds

	event string
}

// Heads returns what the heads of the blocks name, in the order of the file.
func (p *Projection) Heads() []Head {
	var all []Head
	for _, b := range p.blocks {
		for _, n := range b.names {
			all = append(all, Head{Place: fmt.Sprintf("%s:%d", p.Name, b.line), Name: n.String(), Feed: n.feed, event: n.event})
		}
	}
	return all
}

// Matches reports whether the head names this type of this feed.
func (h *Head) Matches(feed, feedID, event string) bool {
	return typeName{h.Feed, h.event}.matches(eventKey{feed: feed, feedID: feedID, event: event})
}
