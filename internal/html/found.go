package html

import (
	"fmt"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/when"
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
	// Page is the page number that the text names.
	Page *FoundPage
	// Period is what the text names as a date or a time.
	Period *FoundPeriod
	// Subject has the events of the subject that the text, or a part of it, names.
	Subject *FoundSubject
	// IsType means that the text is a type of the feed's events.
	IsType bool
	// Misread is a word that looks like a date and is none that the search understands.
	Misread string
	// Similar is what parts of the text, or the text in lower or upper case, name. It is empty if
	// the text itself names something.
	Similar []FoundSimilar
}

// FoundPage is a page by its number.
type FoundPage struct {
	Number int64
	Exists bool
}

// FoundPeriod has the positions of the events that were recorded in a period. There is none if First
// is after Last.
type FoundPeriod struct {
	when.Period
	First, Last int64
	// Later is the first position that was recorded at or after the beginning of the period, and
	// when; 0 if there is none.
	Later   int64
	LaterAt time.Time
}

// FoundSubject has the newest events of a subject, at any time or in a period.
type FoundSubject struct {
	Subject string
	Period  *when.Period // when they happened or were recorded; nil for any time
	// Versions has the events in a feed with entities, up to ShownRows of them, and those that they
	// are compared with; Events has them in another feed, newest first.
	Versions []EntityVersion
	Events   []Listed
	// Number is how many events there are; IsLeast means that there may be more.
	Number  int64
	IsLeast bool
	// From and To are the positions that were searched; To is 0 if all of the entity's events were.
	From, To int64
	// Entity is the path of the page of the subject's history below the server's root; empty if the
	// feed has no entities, or not this one.
	Entity string
	Of     int64 // number of the entity's events at any time
}

// FoundSimilar is a text that names something, where the text of the search does not.
type FoundSimilar struct {
	Text, Query string // Query searches for Text, and for the time of the search if it has one
	IsID        bool   // an event has it as its id
	Events      int64  // of the subject; 0 if it is none
}

// IsEmpty reports whether the search has found nothing, and nothing similar.
func (f *Found) IsEmpty() bool {
	return len(f.Events) == 0 && f.Position == nil && !f.Subject.isFound() && (f.Page == nil || !f.Page.Exists) && (f.Period == nil || f.Period.Later == 0)
}

func (s *FoundSubject) isFound() bool { return s != nil && (s.Number > 0 || s.Entity != "") }

type foundContent struct {
	*Found
	Heading, Self string
	Find          finder
	ByID          []row
	At            *row
	Rows          []row
	Timeline      timelineView
	Entity        string // reference
	ByType, About string // references to filters
	Missing       string // what was not found, in a sentence
	Searches      []similar
}

type similar struct {
	FoundSimilar
	Href string
}

// Events is the subject's events, as the heading above them says it.
func (c *foundContent) Events() string {
	shown := len(c.Rows)
	for _, day := range c.Timeline.Days {
		shown += len(day.Rows)
	}
	s := c.Subject
	switch {
	case s.Period != nil && s.Number == 0:
		return "no events"
	case s.Period != nil && s.IsLeast:
		return "at least " + plural(s.Number, "event")
	case s.Period != nil:
		return plural(s.Number, "event")
	case s.IsLeast:
		return fmt.Sprintf("The newest %d events", shown)
	case s.Number > int64(shown):
		return fmt.Sprintf("The newest %d of %s events", shown, count(s.Number))
	case s.Number == 1:
		return "The only event"
	default:
		return fmt.Sprintf("All %d events", shown)
	}
}

// IsPart reports whether the period has more events than are shown.
func (c *foundContent) IsPart() bool { return c.Subject.Number > ShownRows }

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// missing says in one sentence what the text could be and is not.
func (f *Found) missing(pages int64) string {
	var all []string
	add := func(is bool, text string) {
		if is {
			all = append(all, text)
		}
	}
	add(len(f.Events) == 0, "an event with this id")
	if s := f.Subject; s != nil && !s.isFound() {
		of := "events of this subject"
		if s.Period != nil {
			of = "events of “" + clip(80, plain(s.Subject)) + "” " + s.Period.Phrase
		}
		if s.To > 0 {
			of += fmt.Sprintf(" among positions %s to %s", count(s.From), count(s.To))
		}
		all = append(all, of)
	}
	positions := "the feed has no events yet"
	if last := f.Document.Last; last > 0 {
		positions = "the feed has positions 1 to " + count(last)
	}
	add(f.IsNumber && f.Position == nil, "this position ("+positions+")")
	if f.Page != nil {
		add(!f.Page.Exists, fmt.Sprintf("page %s (the feed has pages 1 to %s)", count(f.Page.Number), count(pages)))
	}
	if f.Period != nil && f.Period.Later == 0 {
		text := "an event recorded at or after " + f.Period.Text
		if f.Document.Last > 0 {
			text += " (the newest was recorded at " + stamp(f.Document.Updated) + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

var foundTemplate = parse("events.html", "changes.html", "timeline.html", "find.html", "found.html")

// FoundPageOf renders what a search has found.
func FoundPageOf(f *Found) ([]byte, error) {
	const root = "../"
	d := f.Document
	self, list := feedReference(root, d.Name), listingOf(root, d)
	c := &foundContent{
		Found: f, Heading: heading(d.Name, d.Title), Self: self, Find: finderOf(self, d),
		ByID: list.rows(f.Events), ByType: filterReference(self, Filter{Type: f.Query}), Missing: f.missing(pages(d)),
	}
	c.Find.Query = f.Query
	if f.Position != nil {
		r := list.row(&f.Position.Placed, f.Position.Size)
		c.At = &r
	}
	if s := f.Subject; s != nil {
		list.subject = s.Subject
		c.Rows, c.Timeline, c.About = list.rows(s.Events), timeline(root, d.Name, s.Versions), filterReference(self, Filter{Subject: s.Subject})
		if s.Entity != "" {
			c.Entity = root + s.Entity[1:]
		}
	}
	for _, s := range f.Similar {
		c.Searches = append(c.Searches, similar{s, searchReference(self, s.Query)})
	}
	return render(foundTemplate, page{
		Title: "Find: " + clip(60, plain(f.Query)) + " · " + c.Heading, Root: root, Content: c, NoIndex: true,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: self, Text: c.Heading}},
	})
}
