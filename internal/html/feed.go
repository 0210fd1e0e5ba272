package html

import (
	"strconv"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// row is an event in a list.
type row struct {
	Href          string
	Position      int64
	Type, Subject string
	Time          time.Time
	Data          string
}

// rows lists a document's events, the newest first.
func rows(root string, d *feed.Document) []row {
	list := make([]row, 0, len(d.Entries))
	for i := len(d.Entries) - 1; i >= 0; i-- {
		e := &d.Entries[i]
		list = append(list, row{
			Href: eventReference(root, d.Name, &e.Event), Position: e.Position,
			Type: e.Type, Subject: e.Subject, Time: e.Time, Data: dataLine(&e.Event),
		})
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
	Older   string
	Rows    []row
	Types   *typesLine
}

var feedTemplate = parse("events.html", "frequent.html", "feed.html")

// Feed renders the page of a subscription document. url is the feed's absolute
// URL if it is the same whoever asks (the base URL is set), else empty: the
// page then fills it in itself where it can.
func Feed(d *feed.Document, url string) ([]byte, error) {
	const root = "../"
	self := feedReference(root, d.Name)
	c := feedContent{
		Document: d, Heading: heading(d.Name, d.Title), Self: self, Stream: self + "/stream", Events: self + "/events/", Rows: rows(root, d),
		Types: typesOf(root, d),
	}
	if url != "" {
		c.Address = shellWord(url)
	}
	if d.Archives > 0 {
		c.Older = archiveReference(root, d, d.Archives)
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

type archiveContent struct {
	*feed.Document
	Heading               string
	Newest, Newer         string
	Older, Oldest         string
	IsNewest, OfLostEpoch bool
	Rows                  []row
}

var archiveTemplate = parse("events.html", "archive.html")

// Archive renders the page of an archive document, the newest event first, so
// that going back reads on.
func Archive(d *feed.Document) ([]byte, error) {
	const root = "../../../../"
	self := feedReference(root, d.Name)
	c := archiveContent{Document: d, Heading: heading(d.Name, d.Title), Newest: self, Newer: self, Rows: rows(root, d)}
	if d.Next != nil {
		c.Newer = root + feed.ArchivePath(d.Name, *d.Next)[1:]
	}
	if d.Page > 1 {
		c.Older, c.Oldest = archiveReference(root, d, d.Page-1), archiveReference(root, d, 1)
	}
	here := root + feed.ArchivePath(d.Name, feed.Page{Epoch: d.Epoch, Number: d.Page})[1:]
	return render(archiveTemplate, page{
		Title: "Page " + strconv.FormatInt(d.Page, 10) + " of " + c.Heading, Root: root, Content: c,
		Crumbs: []link{{Href: root, Text: "Feeds"}, {Href: self, Text: c.Heading}},
		Alternates: []link{
			{here + "?format=atom", "Atom", feed.ContentType},
			{here + "?format=cloudevents", "CloudEvents", "application/cloudevents-batch+json"},
		},
	})
}
