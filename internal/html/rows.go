package html

import (
	"net/url"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Listed is an event in a list. Its data may be cut after its beginning; its extensions are not used.
type Listed struct {
	event.Placed
	Size int64 // of all data, in bytes
}

// row is an event in a list, as its template needs it.
type row struct {
	Href           string
	Position       int64
	Type, Subject  string
	About          string // reference to the events of its subject; empty for none
	IsHistory      bool   // About is the page of an entity
	Time, Recorded time.Time
	Data           string
}

// listing is what the rows of a list have in common.
type listing struct {
	root, feed  string
	hasEntities bool
	subject     string // whose events the page lists: its rows do not link to them
}

func listingOf(root string, d *feed.Document) listing {
	return listing{root: root, feed: d.Name, hasEntities: d.Entities}
}

func (l listing) row(e *event.Placed, size int64) row {
	r := row{
		Href: eventReference(l.root, l.feed, &e.Event), Position: e.Position, Type: e.Type, Subject: e.Subject,
		Time: e.Time, Recorded: e.Recorded, Data: dataLine(&e.Event, size),
	}
	switch {
	case e.Subject == "" || e.Subject == l.subject:
	case l.hasEntities:
		r.About, r.IsHistory = l.root+feed.EntityPath(l.feed, e.Subject)[1:], true
	default:
		r.About = filterReference(feedReference(l.root, l.feed), Filter{Subject: e.Subject})
	}
	return r
}

// rows lists the entries of a document that are before a position, the newest first, up to ShownRows
// of them.
func rows(root string, d *feed.Document, before int64) []row {
	var list []row
	l := listingOf(root, d)
	for i := min(before-d.First, int64(len(d.Entries))) - 1; i >= 0 && len(list) < ShownRows; i-- {
		list = append(list, l.row(&d.Entries[i], int64(len(d.Entries[i].Data))))
	}
	return list
}

func (l listing) rows(events []Listed) []row {
	list := make([]row, 0, len(events))
	for i := range events {
		list = append(list, l.row(&events[i].Placed, events[i].Size))
	}
	return list
}

func eventReference(root, name string, e *event.Event) string {
	return root + feed.EventPath(name, e.Source, e.ID)[1:]
}

func feedReference(root, name string) string { return root + feed.SubscriptionPath(name)[1:] }

func archiveReference(root string, d *feed.Document, number int64) string {
	return root + feed.ArchivePath(d.Name, feed.Page{Epoch: feed.EpochOfPage(d.Epochs, number), Number: number})[1:]
}

// Filter selects events. Empty fields select all.
type Filter struct{ Type, Subject string }

// filterReference returns a reference to the events that match a filter. The feed's own page has all.
func filterReference(self string, f Filter) string {
	query := url.Values{}
	if f.Type != "" {
		query.Set("type", f.Type)
	}
	if f.Subject != "" {
		query.Set("subject", f.Subject)
	}
	if len(query) == 0 {
		return self
	}
	return self + "?" + query.Encode()
}

// searchReference returns a reference to the result of a search in a feed.
func searchReference(self, query string) string {
	return self + "?" + url.Values{"q": {query}}.Encode()
}
