package html

import (
	"strconv"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/when"
)

// Entity is a part of the history of an entity.
type Entity struct {
	Feed, Title, Subject string
	Version              int64           // number of its events
	First, Newest        EntityVersion   // of its events; without data
	Versions             []EntityVersion // in order: at most ShownRows that are shown, and those that they are compared with
	Asked                *when.Period    // that the request jumps to; nil if it does not
	// InPeriod is the number of events of that period, of which Versions has the newest. If it is 0,
	// Versions has the nearest ones. IsLeast means that there may be more.
	InPeriod int64
	IsLeast  bool
	IsAll    bool // all events were looked at for those of that period
}

type entityContent struct {
	*Entity
	Heading  string
	FeedHref string
	Self     string
	InQuery  bool // the subject is a parameter of the entity's URL
	Timeline timelineView
	From, To int64 // first and last version that is shown
	Shown    int64 // number of versions that are shown
	// References, empty for none: Newer leads to the versions right after those that are shown, if they
	// are not the newest.
	Latest, Newer, Older, Oldest string
	Day                          string // that the request jumps to, as the form has it
}

var entityTemplate = parse("changes.html", "timeline.html", "entity.html")

// EntityPage renders a part of the timeline of an entity.
func EntityPage(e *Entity) ([]byte, error) {
	const root = "../../../"
	self := root + feed.EntityPath(e.Feed, e.Subject)[1:]
	c := entityContent{
		Entity: e, Heading: heading(e.Feed, e.Title), FeedHref: feedReference(root, e.Feed), Self: self, InQuery: strings.Contains(self, "?"),
		Timeline: timeline(root, e.Feed, e.Versions),
	}
	if e.Asked != nil {
		c.Day = isoDay(e.Asked.Start)
	}
	for _, v := range e.Versions {
		if v.IsCompared {
			continue
		}
		if c.Shown++; c.From == 0 {
			c.From = v.Version
		}
		c.To = v.Version
	}
	c.link()
	return render(entityTemplate, page{
		Title: historyTitle(e.Subject) + " · " + plain(c.Heading), Root: root, Content: &c,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: c.FeedHref, Text: c.Heading}},
		Alternates: []link{
			{inFormat(self, "atom"), "Atom", feed.ContentType},
			{inFormat(self, "rss"), "RSS", "application/rss+xml"},
			{inFormat(self, "json"), "JSON Feed", "application/feed+json"},
			{inFormat(self, "cloudevents"), "CloudEvents", "application/cloudevents-batch+json"},
		},
	})
}

// historyTitle names the page of an entity.
func historyTitle(subject string) string { return "History of " + clip(60, plain(subject)) }

// link sets the references to the versions before and after those that are shown.
func (c *entityContent) link() {
	if newer := c.To + ShownRows + 1; c.To < c.Version {
		c.Latest = c.Self
		if newer <= c.Version {
			c.Newer = withParameter(c.Self, "before", newer)
		}
	}
	if c.From > 1 {
		c.Older = withParameter(c.Self, "before", c.From)
		if c.From != ShownRows+1 { // else Older leads there
			c.Oldest = withParameter(c.Self, "before", ShownRows+1)
		}
	}
}

// IsPart reports whether only a part of the events of the period that was asked for is shown.
func (c *entityContent) IsPart() bool { return c.IsLeast || c.InPeriod > c.Shown }

func withParameter(reference, name string, value int64) string {
	return withText(reference, name, strconv.FormatInt(value, 10))
}

// withText adds a parameter whose value needs no escapes.
func withText(reference, name, value string) string {
	separator := "?"
	if strings.Contains(reference, "?") {
		separator = "&"
	}
	return reference + separator + name + "=" + value
}

func inFormat(reference, format string) string { return withText(reference, "format", format) }
