package html

import (
	"maps"
	"slices"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Event is an event with what its page tells about its place.
type Event struct {
	event.Placed
	Feed, Title    string
	Previous, Next *Neighbour // nil if not known, or if there is none
	Entity         *Version   // nil if the event has none
}

// Neighbour is the event before or after another one.
type Neighbour struct {
	Source, ID string
	Position   int64
}

// Version is an event's place among the events of its entity.
type Version struct {
	Number, Of     int64
	Previous, Next *Neighbour // nil if there is none
}

// Bounds of what the page shows besides data: an extension may have megabytes,
// and there may be a hundred thousand of them.
const (
	shownExtensions = 500
	shownValue      = 2000 // characters
)

type extension struct{ Name, Value string }

type eventContent struct {
	*Event
	Heading        string
	Principal      string // who caused it
	Extensions     []extension
	More           int // extensions that are not shown
	Data           dataView
	Whole          string // reference to all of the event
	Previous, Next *link
	InList         string // reference to the list that has it
	About          string // reference to the events of its subject
	EntityPrevious *link
	EntityNext     *link
}

// eventRoot is the reference from an event's page to the server's root.
const eventRoot = "../../../"

var eventTemplate = parse("event.html")

// EventPage renders the page of one event.
func EventPage(e *Event) ([]byte, error) {
	const root = eventRoot
	self, of := eventReference(root, e.Feed, &e.Event), feedReference(root, e.Feed)
	c := eventContent{
		Event: e, Heading: heading(e.Feed, e.Title), Principal: cloudevents.Principal(&e.Event), Data: viewData(&e.Event), Whole: self + "&format=cloudevents",
		Previous: neighbour(e.Feed, e.Previous), Next: neighbour(e.Feed, e.Next), InList: inList(of, e.Position),
	}
	if e.Subject != "" {
		c.About = filterReference(of, Filter{Subject: e.Subject})
	}
	if e.Entity != nil {
		c.About = root + feed.EntityPath(e.Feed, e.Subject)[1:]
		c.EntityPrevious, c.EntityNext = neighbour(e.Feed, e.Entity.Previous), neighbour(e.Feed, e.Entity.Next)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Extensions)) {
		if len(c.Extensions) == shownExtensions {
			c.More = len(e.Extensions) - shownExtensions
			break
		}
		c.Extensions = append(c.Extensions, extension{name, clip(shownValue, e.Extensions[name])})
	}
	title := e.Type
	if e.Subject != "" {
		title += " " + e.Subject
	}
	return render(eventTemplate, page{
		Title: title, Root: root, Content: c, Copy: c.Data.canCopy(e.Data),
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: of, Text: c.Heading}},
		Alternates: []link{
			{self + "&format=atom", "Atom entry", "application/atom+xml;type=entry"},
			{c.Whole, "CloudEvents JSON", "application/cloudevents+json"},
		},
	})
}

func neighbour(name string, n *Neighbour) *link {
	if n == nil {
		return nil
	}
	return &link{Href: eventReference(eventRoot, name, &event.Event{Source: n.Source, ID: n.ID}), Text: count(n.Position)}
}
