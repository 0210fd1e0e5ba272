package render

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"html"
	"time"

	"github.com/gorilla/feeds"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// The document is gorilla/feeds', with what it lacks around it: a link of the
// feed to itself, and authors by name. RSS 2.0 wants an email address in author
// and managingEditor, where the library writes the name.
type rssDocument struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Atom    string     `xml:"xmlns:atom,attr"`
	DC      string     `xml:"xmlns:dc,attr"`
	Channel rssChannel `xml:"channel"`
}

type rssChannel struct {
	*feeds.RssFeed
	Creator string    `xml:"dc:creator"`
	Links   []rssLink `xml:"atom:link"`
	Items   []rssItem `xml:"item"` // in place of the library's
}

type rssItem struct {
	*feeds.RssItem
	Creator string `xml:"dc:creator"`
}

type rssLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
	Href string `xml:"href,attr"`
}

// RSS returns a subscription document as RSS 2.0, newest item first. guid is the
// id of the Atom entry, pubDate the event's time, description the data, escaped
// as HTML. base is the absolute URL of the server's root.
func RSS(d *feed.Document, base string) ([]byte, error) {
	at := site(base)
	channel := newRSSChannel(d.Title, description(d), d.Author, d.Updated, at.page(d))
	for e := range d.Listed() {
		channel.add(e, at.event(d.Name, e))
	}
	return channel.write()
}

// newRSSChannel returns a channel without items of the feed at this URL.
func newRSSChannel(title, description, author string, updated time.Time, page string) *rssChannel {
	return &rssChannel{
		RssFeed: &feeds.RssFeed{
			Title: title, Link: page, Description: description,
			LastBuildDate: rssTime(updated), Docs: "https://www.rssboard.org/rss-specification",
		},
		Creator: author,
		Links: []rssLink{
			{Rel: "self", Type: RSSType, Href: inForm(page, "rss")},
			{Rel: "alternate", Type: feed.ContentType, Href: inForm(page, "atom")},
		},
	}
}

// add appends an event, whose page is at this URL.
func (c *rssChannel) add(e *event.Placed, page string) {
	c.Items = append(c.Items, rssItem{newRSSItem(e, page), cmp.Or(cloudevents.Principal(&e.Event), c.Creator)})
}

func (c *rssChannel) write() ([]byte, error) {
	document := rssDocument{Version: "2.0", Atom: feed.AtomNamespace, DC: "http://purl.org/dc/elements/1.1/", Channel: *c}
	b := bytes.NewBufferString(xml.Header)
	if err := xml.NewEncoder(b).Encode(document); err != nil {
		return nil, fmt.Errorf("write %s as RSS: %w", c.Link, err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func newRSSItem(e *event.Placed, page string) *feeds.RssItem {
	return &feeds.RssItem{
		Title:       title(e),
		Link:        page,
		Description: "<pre>" + html.EscapeString(text(e.Data)) + "</pre>",
		Category:    e.Type,
		Guid:        &feeds.RssGuid{Id: feed.EntryID(&e.Event), IsPermaLink: "false"},
		PubDate:     rssTime(e.Time),
	}
}

// rssTime is a date of RFC 822 with a year of four digits.
func rssTime(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }
