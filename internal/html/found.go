package html

import (
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Found is what a search has found in a feed, for each of the ways to understand its text.
type Found struct {
	Document *feed.Document // the feed's subscription document
	Query    string
	// Events are the events that have the text as their id, one for each source.
	Events []Listed
	// Position is the event at the position that the text names.
	Position *Listed
	// IsNumber means that the text names a position.
	IsNumber bool
	// Page is the page number that the text names, and its reference below the feed's own path.
	Page *FoundPage
	// Period is what the text names as a date or a time.
	Period *FoundPeriod
	// Subject has the events of the subject that the text, or a part of it, names.
	Subject *FoundSubject
}

// FoundPage is a page by its number.
type FoundPage struct {
	Number int64
	Exists bool
}

// FoundPeriod has the positions of the events that were recorded in a period. There is none if First
// is after Last.
type FoundPeriod struct {
	Text        string
	First, Last int64
	// Later is the first position that was recorded at or after the beginning of the period, and
	// when; 0 if there is none.
	Later   int64
	LaterAt time.Time
}

// FoundSubject has the newest events of a subject, at any time or at one.
type FoundSubject struct {
	Subject string
	Within  string // when they happened or were recorded, as "on 2026-05-03"; empty for any time
	Day     string // the first day of that time, as 2006-01-02
	Events  []Listed
	// Number is how many events there are; IsLeast means that there may be more.
	Number  int64
	IsLeast bool
	// From and To are the positions that were searched; To is 0 if all of the entity's events were.
	From, To int64
	// Entity is the path of the entity's page below the server's root; empty if the feed has no
	// entities, or not this one.
	Entity string
}

type foundContent struct {
	*Found
	Heading, Self string
	Find          finder
	Any           bool
	ByID          []row
	At            *row
	Rows          []row
	Entity        string // reference
	OnDay         string // reference to what happened to the entity on the day; Entity without one
	ByType, About string // references to filters
}

// HasMore reports whether the subject has, or may have, more events than the rows, at any time.
func (c *foundContent) HasMore() bool {
	return c.Subject.IsLeast || c.Subject.Within != "" || c.Subject.Number > int64(len(c.Rows))
}

var foundTemplate = parse("events.html", "find.html", "found.html")

// FoundPageOf renders what a search has found.
func FoundPageOf(f *Found) ([]byte, error) {
	const root = "../"
	d := f.Document
	self := feedReference(root, d.Name)
	c := &foundContent{
		Found: f, Heading: heading(d.Name, d.Title), Self: self, Find: finderOf(self, d),
		ByID: rowsOf(root, d.Name, f.Events), ByType: filterReference(self, Filter{Type: f.Query}),
	}
	c.Find.Query = f.Query
	if f.Position != nil {
		r := rowOf(root, d.Name, &f.Position.Placed, f.Position.Size)
		c.At = &r
	}
	if s := f.Subject; s != nil {
		c.Rows, c.About = rowsOf(root, d.Name, s.Events), filterReference(self, Filter{Subject: s.Subject})
		if s.Entity != "" {
			c.Entity = root + s.Entity[1:]
			c.OnDay = c.Entity
			if s.Day != "" {
				c.OnDay = withText(c.Entity, "date", s.Day)
			}
		}
	}
	c.Any = len(c.ByID) > 0 || c.At != nil || len(c.Rows) > 0 || c.Entity != "" || f.Page != nil && f.Page.Exists || f.Period != nil && f.Period.Later > 0
	return render(foundTemplate, page{
		Title: "Find: " + clip(60, plain(f.Query)) + " · " + c.Heading, Root: root, Content: c, NoIndex: true,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: self, Text: c.Heading}},
	})
}
