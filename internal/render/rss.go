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
	channel := rssChannel{
		RssFeed: &feeds.RssFeed{
			Title: d.Title, Link: at.page(d), Description: description(d),
			LastBuildDate: rssTime(d.Updated), Docs: "https://www.rssboard.org/rss-specification",
		},
		Creator: d.Author,
		Links: []rssLink{
			{Rel: "self", Type: RSSType, Href: at.form(d, "rss")},
			{Rel: "alternate", Type: feed.ContentType, Href: at.form(d, "atom")},
		},
	}
	for e := range d.Listed() {
		channel.Items = append(channel.Items, rssItem{newRSSItem(d, e, at), cmp.Or(cloudevents.Principal(&e.Event), d.Author)})
	}
	document := rssDocument{Version: "2.0", Atom: feed.AtomNamespace, DC: "http://purl.org/dc/elements/1.1/", Channel: channel}
	b := bytes.NewBufferString(xml.Header)
	if err := xml.NewEncoder(b).Encode(document); err != nil {
		return nil, fmt.Errorf("write feed %s as RSS: %w", d.Name, err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func newRSSItem(d *feed.Document, e *event.Placed, at site) *feeds.RssItem {
	return &feeds.RssItem{
		Title:       title(e),
		Link:        at.event(d, e),
		Description: "<pre>" + html.EscapeString(text(e.Data)) + "</pre>",
		Category:    e.Type,
		Guid:        &feeds.RssGuid{Id: feed.EntryID(&e.Event), IsPermaLink: "false"},
		PubDate:     rssTime(e.Time),
	}
}

// rssTime is a date of RFC 822 with a year of four digits.
func rssTime(t time.Time) string { return t.UTC().Format(time.RFC1123Z) }
