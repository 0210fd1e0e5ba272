package html

import (
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// heading is a feed's title, or its name where the title says no more.
func heading(name, title string) string {
	if strings.TrimSpace(plain(title)) == "" {
		return name
	}
	return title
}

type feedContent struct {
	*feed.Document
	Heading string
	Address string // of the feed, as a shell reads it; empty if it is not known
	Self    string
	Stream  string
	Events  string // folder of the pages of its events
	Find    finder
	Pager   pageLinks
	IsOlder bool // there are older events than the rows
	Rows    []row
	Types   *typesLine
}

var feedTemplate = parse("events.html", "pager.html", "find.html", "frequent.html", "feed.html")

// Feed renders the page of a subscription document: the newest events, and the forms that find others.
// url is the feed's absolute URL if it is the same whoever asks (the base URL is set), else empty: the
// page then fills it in itself where it can.
func Feed(d *feed.Document, url string) ([]byte, error) {
	const root = "../"
	self := feedReference(root, d.Name)
	c := feedContent{
		Document: d, Heading: heading(d.Name, d.Title), Self: self, Stream: self + "/stream", Events: self + "/events/",
		Find: finderOf(self, d), Rows: rows(root, d, d.Last+1),
		Pager: pageLinks{Page: pages(d), Pages: pages(d), Oldest: oldest(self)},
		Types: typesOf(root, d),
	}
	first := d.Last + 1 - int64(len(c.Rows)) // large events leave fewer in the document
	c.IsOlder, c.Pager.Older = first > 1, before(self, first)
	if url != "" {
		c.Address = shellWord(url)
	}
	return render(feedTemplate, page{
		Title: c.Heading, Root: root, Content: c, Live: true,
		Crumbs: []link{{Href: root, Text: "Feeds"}},
		Alternates: []link{
			{self + "?format=atom", "Atom", feed.ContentType},
			{self + "?format=rss", "RSS", "application/rss+xml"},
			{self + "?format=json", "JSON Feed", "application/feed+json"},
			{self + "?format=cloudevents", "CloudEvents", "application/cloudevents-batch+json"},
		},
	})
}

// shellWord quotes a URL for a shell where it must be.
func shellWord(url string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/._~%-"
	if strings.Trim(url, safe) == "" {
		return url
	}
	return "'" + strings.ReplaceAll(url, "'", "%27") + "'"
}

type partContent struct {
	Heading     string
	First, Last int64 // positions
	Page        int64
	Pages       int64
	Epoch       string
	Find        finder
	Pager       pageLinks
	Rows        []row
}

var partTemplate = parse("events.html", "pager.html", "find.html", "part.html")

// Part renders a list of the events before a position that are not archived yet: d is the
// subscription document, and archivedTo the last archived position. One of its entries after that
// must be before the position.
func Part(d *feed.Document, archivedTo, beforePosition int64) ([]byte, error) {
	const root = "../"
	self := feedReference(root, d.Name)
	last := min(beforePosition-1, d.Last)
	first := max(archivedTo+1, last-ShownRows+1)
	c := partContent{
		Heading: heading(d.Name, d.Title), First: first, Last: last, Page: pages(d), Pages: pages(d), Find: finderOf(self, d),
		Pager: pageLinks{Newest: self, Newer: self, Page: pages(d), Pages: pages(d)}, Rows: rows(root, d, last+1)[:last-first+1],
	}
	if newer := last + 1 + ShownRows; newer <= d.Last {
		c.Pager.Newer = before(self, newer)
	}
	if first > 1 {
		c.Pager.Older, c.Pager.Oldest = before(self, first), oldest(self)
	}
	return render(partTemplate, page{
		Title: c.title(), Root: root, Content: c,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: self, Text: c.Heading}},
	})
}

func (c *partContent) title() string {
	return fmt.Sprintf("Page %s of %s, positions %s to %s · %s", count(c.Page), count(c.Pages), count(c.First), count(c.Last), c.Heading)
}
