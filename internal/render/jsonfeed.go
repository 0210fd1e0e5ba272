package render

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	Extension jsonFeedExtension `json:"_eventfeed"`
	Items     []jsonItem        `json:"items"`
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
	common := feeds.JSON{Feed: &feeds.Feed{
		Title: d.Title, Description: description(d),
		Link: &feeds.Link{Href: at.page(d)}, Author: &feeds.Author{Name: d.Author},
	}}
	document := jsonFeed{
		JSONFeed:  common.JSONFeed(),
		Extension: jsonFeedExtension{d.ID, feed.EpochOfPosition(d.Epochs, d.Last), d.Last, d.DigestAfter.String()},
		Items:     make([]jsonItem, 0, len(d.Entries)),
	}
	document.FeedUrl, document.NextUrl = at.form(d, "json"), at.older(d, "json")
	for i := range d.Entries {
		document.Items = append(document.Items, newJSONItem(d, &d.Entries[len(d.Entries)-1-i], at))
	}
	b := &bytes.Buffer{}
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("write feed %s as JSON Feed: %w", d.Name, err)
	}
	return b.Bytes(), nil
}

func newJSONItem(d *feed.Document, e *event.Placed, at site) jsonItem {
	published := e.Time.UTC().Truncate(time.Microsecond)
	var authors []*feeds.JSONAuthor
	if principal := cloudevents.Principal(&e.Event); principal != "" {
		authors = []*feeds.JSONAuthor{{Name: principal}}
	}
	return jsonItem{
		JSONItem: &feeds.JSONItem{
			Id:            feed.EntryID(&e.Event),
			Url:           at.event(d, e),
			Title:         title(e),
			PublishedDate: &published,
			Tags:          []string{e.Type},
			Authors:       authors,
		},
		ContentText: text(e.Data),
		Extension: jsonItemExtension{
			Position: e.Position, Recorded: cloudevents.FormatTime(e.Recorded),
			ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject,
			DataContentType: e.DataContentType, DataSchema: e.DataSchema, Extensions: e.Extensions,
		},
	}
}
