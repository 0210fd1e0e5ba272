package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gorilla/feeds"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

// The document is gorilla/feeds', with members in place of those that it leaves
// out where they are empty, though JSON Feed 1.1 demands them: items of a feed,
// content of an item. And with our own (section Extensions), whose names begin
// with an underscore.
type jsonFeed struct {
	*feeds.JSONFeed
	Extension any        `json:"_eventfeed"` // jsonFeedExtension or jsonEntityExtension
	Items     []jsonItem `json:"items"`
}

type jsonItem struct {
	*feeds.JSONItem
	ContentText string            `json:"content_text"`
	Extension   jsonItemExtension `json:"_eventfeed"`
}

// jsonFeedExtension says what a reader of the feed can go on from.
type jsonFeedExtension struct {
	ID       string `json:"id"`
	Epoch    string `json:"epoch"`
	Position int64  `json:"position"`
	Digest   string `json:"digest"`
}

// jsonItemExtension is the event without its data, and its place.
type jsonItemExtension struct {
	Position        int64             `json:"position"`
	Version         int64             `json:"version,omitempty"` // in a document of an entity
	Recorded        string            `json:"recorded"`
	ID              string            `json:"id"`
	Source          string            `json:"source"`
	Type            string            `json:"type"`
	Subject         string            `json:"subject,omitempty"`
	DataContentType string            `json:"datacontenttype,omitempty"`
	DataSchema      string            `json:"dataschema,omitempty"`
	Extensions      map[string]string `json:"extensions,omitempty"`
}

// JSONFeed returns a document as JSON Feed 1.1, newest item first. next_url leads to
// the archive before it.
// The id of an item is that of its Atom entry, date_published the event's time,
// content_text the data. base is the absolute URL of the server's root.
func JSONFeed(d *feed.Document, base string) ([]byte, error) {
	at := site(base)
	document := newJSONFeed(d.Title, description(d), d.Author, at.page(d), at.older(d, "json"))
	document.Extension = jsonFeedExtension{d.ID, feed.EpochOfPosition(d.Epochs, d.Last), d.Last, d.DigestAfter.String()}
	for _, e := range slices.Backward(d.Entries) {
		document.Items = append(document.Items, newJSONItem(&e, 0, at.event(d.Name, &e)))
	}
	return document.write()
}

// newJSONFeed returns a document without items of the feed at the URL page; older is the URL of the
// document before it, or empty.
func newJSONFeed(title, description, author, page, older string) *jsonFeed {
	common := feeds.JSON{Feed: &feeds.Feed{
		Title: title, Description: description, Link: &feeds.Link{Href: page}, Author: &feeds.Author{Name: author},
	}}
	document := &jsonFeed{JSONFeed: common.JSONFeed(), Items: []jsonItem{}}
	document.FeedUrl, document.NextUrl = inForm(page, "json"), older
	return document
}

func (f *jsonFeed) write() ([]byte, error) {
	b := &bytes.Buffer{}
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(f); err != nil {
		return nil, fmt.Errorf("write %s as JSON Feed: %w", f.HomePageUrl, err)
	}
	return b.Bytes(), nil
}

// newJSONItem returns the item of an event whose page is at this URL; with its version, if that is
// not 0.
func newJSONItem(e *event.Placed, version int64, page string) jsonItem {
	published := e.Time.UTC().Truncate(time.Microsecond)
	var authors []*feeds.JSONAuthor
	if principal := cloudevents.Principal(&e.Event); principal != "" {
		authors = []*feeds.JSONAuthor{{Name: principal}}
	}
	return jsonItem{
		JSONItem: &feeds.JSONItem{
			Id:            feed.EntryID(&e.Event),
			Url:           page,
			Title:         title(e),
			PublishedDate: &published,
			Tags:          []string{e.Type},
			Authors:       authors,
		},
		ContentText: text(e.Data),
		Extension: jsonItemExtension{
			Position: e.Position, Version: version, Recorded: cloudevents.FormatTime(e.Recorded),
			ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject,
			DataContentType: e.DataContentType, DataSchema: e.DataSchema, Extensions: e.Extensions,
		},
	}
}
