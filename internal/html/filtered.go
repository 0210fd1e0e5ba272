package html

import (
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Filtered is the result of a filter: up to ShownRows of a feed's events, newest first.
type Filtered struct {
	Filter
	Document *feed.Document // the feed's subscription document
	Events   []Listed
	// From and To are the positions that were searched; To is 0 if there is none.
	From, To int64
	Before   int64 // the position that was asked for; 0 if it was none
	// Entity is the path of the page of the entity that the events are about, below the server's
	// root; empty if the feed has no entities.
	Entity string
}

type filteredContent struct {
	*Filtered
	Heading, Self, Entity string
	Find                  finder
	Pager                 pageLinks
	Rows                  []row
}

var filteredTemplate = parse("events.html", "pager.html", "find.html", "filtered.html")

// FilteredPage renders the result of a filter.
func FilteredPage(f *Filtered) ([]byte, error) {
	const root = "../"
	d := f.Document
	self := feedReference(root, d.Name)
	c := filteredContent{Filtered: f, Heading: heading(d.Name, d.Title), Self: self, Find: finderOf(self, d), Rows: rowsOf(root, d.Name, f.Events)}
	c.Find.Filter, c.Find.IsOpen = f.Filter, len(f.Events) == 0
	if f.Entity != "" {
		c.Entity = root + f.Entity[1:]
	}
	c.Pager.End = "No older event matches"
	here := filterReference(self, f.Filter)
	if f.Before > 0 {
		c.Pager.Newest = here
	}
	older := f.From
	if n := len(f.Events); n == ShownRows {
		older = f.Events[n-1].Position
	}
	if older > 1 {
		c.Pager.Older = here + "&before=" + strconv.FormatInt(older, 10)
	}
	return render(filteredTemplate, page{
		Title: c.title(), Root: root, Content: c, NoIndex: true,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: self, Text: c.Heading}},
	})
}

func (c *filteredContent) title() string {
	var what []string
	for _, text := range []string{c.Type, c.Subject} {
		if text != "" {
			what = append(what, clip(40, plain(text)))
		}
	}
	return "Filter: " + strings.Join(what, ", ") + " · " + c.Heading
}
