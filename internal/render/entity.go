package render

import (
	"slices"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// AppendEntityBatch appends the events of a document of an entity in the JSON Batch Format, as
// [AppendBatch] does, each with its version.
func AppendEntityBatch(b []byte, d *feed.EntityDocument) []byte {
	b = append(b, '[')
	separator := "\n"
	for version, e := range d.Listed() {
		b = append(b, separator...)
		b = cloudevents.AppendVersionJSON(b, e, version)
		separator = ",\n"
	}
	if len(d.Entries) > 0 {
		b = append(b, '\n')
	}
	return append(b, "]\n"...)
}

// EntityRSS returns a subscription document of an entity as RSS 2.0, as [RSS] does.
func EntityRSS(d *feed.EntityDocument, base string) ([]byte, error) {
	at := site(base)
	channel := newRSSChannel(d.Heading(), entityDescription(d), d.Author, d.Updated, at.entity(d))
	for _, e := range d.Listed() {
		channel.add(e, at.event(d.Name, e))
	}
	return channel.write()
}

// jsonEntityExtension says which entity a document is of, and what its newest event is.
type jsonEntityExtension struct {
	Feed     string `json:"feed"` // id of the feed
	Subject  string `json:"subject"`
	Version  int64  `json:"version"`
	Position int64  `json:"position"`
}

// EntityJSONFeed returns a document of an entity as JSON Feed 1.1, as [JSONFeed] does.
func EntityJSONFeed(d *feed.EntityDocument, base string) ([]byte, error) {
	at := site(base)
	document := newJSONFeed(d.Heading(), entityDescription(d), d.Author, at.entity(d), at.olderVersions(d, "json"))
	extension := jsonEntityExtension{Feed: d.FeedID, Subject: d.Subject, Version: d.Last}
	for i, e := range slices.Backward(d.Entries) {
		extension.Position = max(extension.Position, e.Position)
		document.Items = append(document.Items, newJSONItem(&e, d.First+int64(i), at.event(d.Name, &e)))
	}
	document.Extension = extension
	return document.write()
}

func entityDescription(d *feed.EntityDocument) string {
	return "The newest events of " + d.Subject + " in the feed " + d.Name + "; its Atom form links to all of them."
}
