// Package render writes the forms of a feed's documents beside Atom: CloudEvents
// and JSON Feed 1.1 of subscription and archive documents, RSS 2.0 of the
// subscription document. It does no input or output.
//
// Atom and CloudEvents hold all of an event, and are what programs read. RSS
// and JSON Feed are for people: data that is no text is named and left out.
package render

import (
	"strings"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// Media types of the forms.
const (
	EventType    = "application/cloudevents+json"
	BatchType    = "application/cloudevents-batch+json"
	RSSType      = "application/rss+xml"
	JSONFeedType = "application/feed+json"
)

// BinaryData stands in RSS and JSON Feed for data that is no text.
const BinaryData = "binary data"

// site is the absolute URL of the server's root, with or without a slash at its
// end. RSS and JSON Feed want absolute URLs: none of them may be relative.
type site string

// page is the feed's own URL, which browsers get as HTML.
func (s site) page(d *feed.Document) string {
	return strings.TrimSuffix(string(s), "/") + feed.SubscriptionPath(d.Name)
}

// inForm returns the URL of one form of the document at a URL.
func inForm(page, format string) string {
	if strings.Contains(page, "?") {
		return page + "&format=" + format
	}
	return page + "?format=" + format
}

// older is the URL of one form of the archive before a document, or empty if there
// is none.
func (s site) older(d *feed.Document, format string) string {
	number := d.Archives // before the subscription document
	if d.Kind == feed.Archive {
		number = d.Page - 1
	}
	if number < 1 {
		return ""
	}
	page := feed.Page{Epoch: feed.EpochOfPage(d.Epochs, number), Number: number}
	return inForm(strings.TrimSuffix(string(s), "/")+feed.ArchivePath(d.Name, page), format)
}

func (s site) event(name string, e *event.Placed) string {
	return strings.TrimSuffix(string(s), "/") + feed.EventPath(name, e.Source, e.ID)
}

// entity is an entity's own URL, which browsers get as HTML.
func (s site) entity(d *feed.EntityDocument) string {
	return strings.TrimSuffix(string(s), "/") + feed.EntityPath(d.Name, d.Subject)
}

// olderVersions is the URL of one form of the archive before a document of an entity,
// or empty if there is none.
func (s site) olderVersions(d *feed.EntityDocument, format string) string {
	if d.Previous == nil {
		return ""
	}
	return inForm(strings.TrimSuffix(string(s), "/")+feed.EntityArchivePath(d.Name, d.Subject, *d.Previous), format)
}

// title of an event is that of its Atom entry.
func title(e *event.Placed) string {
	if e.Subject == "" {
		return e.Type
	}
	return e.Type + " " + e.Subject
}

// text is what people are shown of an event's data: all of it if it is text
// that XML 1.0 can hold, which text for people always is.
func text(data []byte) string {
	if !utf8.Valid(data) {
		return BinaryData
	}
	for _, r := range string(data) {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r >= 0x7f && r <= 0x9f || r == 0xfffe || r == 0xffff {
			return BinaryData
		}
	}
	return string(data)
}

// description is what a feed says about itself.
func description(d *feed.Document) string {
	return "The newest events of the feed " + d.Name + "; its Atom form links to all of them."
}
