package render_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"html"
	"io"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/render"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	feedID = "urn:uuid:5d1c7a0e-6a3f-4c55-9a52-3a1f0c7d2b10"
	epoch  = "0b0f6c5e-8f0d-4a43-8f5e-1d2c3b4a5968"
	base   = "https://example.org/history/"
)

func TestFormsAreWrittenAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	archive, subscription, empty := document(feed.Archive, events()), document(feed.Subscription, events()), document(feed.Subscription, nil)
	for golden, got := range map[string][]byte{
		"archive.cloudevents.json":      render.AppendBatch(nil, archive),
		"subscription.cloudevents.json": render.AppendBatch(nil, subscription),
		"empty.cloudevents.json":        render.AppendBatch(nil, empty),
		"subscription.rss":              rss(t, subscription),
		"empty.rss":                     rss(t, empty),
		"subscription.feed.json":        jsonFeed(t, subscription),
		"empty.feed.json":               jsonFeed(t, empty),
	} {
		golden = filepath.Join("testdata", golden)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("differs from %s:\n%s", golden, got)
		}
	}
}

// TestBatchHoldsAllOfEachEvent: in the order of the Atom document, one a line.
func TestBatchHoldsAllOfEachEvent(t *testing.T) {
	t.Parallel()
	for _, kind := range []feed.Kind{feed.Archive, feed.Subscription} {
		d := document(kind, hostile())
		batch := render.AppendBatch(nil, d)
		var elements []json.RawMessage
		if err := json.Unmarshal(batch, &elements); err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(batch, []byte{'\n'}); lines != len(elements)+2 || len(elements) != len(d.Entries) {
			t.Fatalf("%d events, %d in the batch, %d lines", len(d.Entries), len(elements), lines)
		}
		for i, element := range elements {
			want := d.Entries[i]
			if kind == feed.Subscription {
				want = d.Entries[len(d.Entries)-1-i]
			}
			got, err := cloudevents.ParseJSON(element)
			if err != nil {
				t.Fatal(err)
			}
			if got.Extensions["efposition"] != fmt.Sprint(want.Position) || got.Extensions["efrecorded"] != cloudevents.FormatTime(want.Recorded) {
				t.Errorf("position and time of %d: %v", want.Position, got.Extensions)
			}
			delete(got.Extensions, "efposition")
			delete(got.Extensions, "efrecorded")
			if got, err = cloudevents.Normal(got); err != nil || !reflect.DeepEqual(got, want.Event) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want.Event)
			}
		}
	}
}

// TestIndependentReaderReadsTheSameItems: of RSS, JSON Feed and Atom, whatever
// the data is.
func TestIndependentReaderReadsTheSameItems(t *testing.T) {
	t.Parallel()
	d := document(feed.Subscription, hostile())
	atom := read(t, feed.AppendDocument(nil, d))
	for form, got := range map[string]*gofeed.Feed{"rss": read(t, rss(t, d)), "json": read(t, jsonFeed(t, d))} {
		if got.FeedType != form || got.Title != d.Title || got.Link != "https://example.org/history/feeds/orders" ||
			got.FeedLink != "https://example.org/history/feeds/orders?format="+form ||
			len(got.Authors) != 1 || got.Authors[0].Name != d.Author || len(got.Items) != len(d.Entries) {
			t.Fatalf("%s: %+v", form, got)
		}
		for i, item := range got.Items {
			e := d.Entries[len(d.Entries)-1-i]
			if item.GUID != atom.Items[i].GUID || item.Title != atom.Items[i].Title || item.Categories[0] != e.Type {
				t.Errorf("%s: %+v\nAtom: %+v", form, item, atom.Items[i])
			}
			if !item.PublishedParsed.Truncate(time.Second).Equal(e.Time.Truncate(time.Second)) {
				t.Errorf("%s: published %s, not %s", form, item.Published, e.Time)
			}
			if u, err := url.Parse(item.Link); err != nil || !u.IsAbs() || u.Query().Get("source") != e.Source || u.Path+u.Query().Get("id") != "/history/feeds/orders/events/"+e.ID {
				t.Errorf("%s: %s of event %q, %v", form, item.Link, e.ID, err)
			}
			content := item.Content
			if form == "rss" {
				content = html.UnescapeString(strings.TrimSuffix(strings.TrimPrefix(item.Description, "<pre>"), "</pre>"))
			}
			if want := string(e.Data); content != want && content != render.BinaryData {
				t.Errorf("%s: content %q, want %q", form, content, want)
			}
			if (content == render.BinaryData) != strings.HasPrefix(e.Subject, "binary") {
				t.Errorf("%s: %s is written as %q", form, e.Subject, content)
			}
		}
	}
}

// TestRSSIsValid holds to RSS 2.0: what is mandatory, addresses, dates, and
// elements in no namespace that it does not know.
func TestRSSIsValid(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for name := range strings.FieldsSeq("rss channel title link description category docs lastBuildDate item guid pubDate") {
		known[name] = true
	}
	for _, d := range []*feed.Document{document(feed.Subscription, hostile()), document(feed.Subscription, nil)} {
		body := rss(t, d)
		decoder := xml.NewDecoder(bytes.NewReader(body))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Space == "" && !known[start.Name.Local] {
				t.Errorf("RSS has no element %s that could be used here", start.Name.Local)
			}
		}
		var got struct {
			Version string `xml:"version,attr"`
			Channel []struct {
				Title       []string `xml:"title"`
				Description []string `xml:"description"`
				Built       string   `xml:"lastBuildDate"`
				Item        []struct {
					Title []string `xml:"title"`
					GUID  struct {
						IsPermaLink string `xml:"isPermaLink,attr"`
					} `xml:"guid"`
					Published string `xml:"pubDate"`
				} `xml:"item"`
			} `xml:"channel"`
		}
		if err := xml.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if c := got.Channel; got.Version != "2.0" || len(c) != 1 || len(c[0].Title) != 1 || len(c[0].Description) != 1 || len(c[0].Item) != len(d.Entries) {
			t.Fatalf("%+v", got)
		}
		dates := []string{got.Channel[0].Built}
		for _, item := range got.Channel[0].Item {
			if len(item.Title) != 1 || item.GUID.IsPermaLink != "false" {
				t.Errorf("%+v", item)
			}
			dates = append(dates, item.Published)
		}
		for _, date := range dates {
			if _, err := mail.ParseDate(date); err != nil {
				t.Errorf("%q: %v", date, err)
			}
		}
	}
}

// TestJSONFeedIsValid holds to JSON Feed 1.1: version, title and items of a
// feed, id and content of an item are there, also where they are empty; names of
// our own members begin with an underscore and a letter.
func TestJSONFeedIsValid(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for name := range strings.FieldsSeq(`version title home_page_url feed_url description author authors items _eventfeed
		id url content_text date_published tags`) {
		known[name] = true
	}
	for _, d := range []*feed.Document{document(feed.Subscription, hostile()), document(feed.Subscription, nil)} {
		var got map[string]any
		if err := json.Unmarshal(jsonFeed(t, d), &got); err != nil {
			t.Fatal(err)
		}
		items, isArray := got["items"].([]any)
		if got["version"] != "https://jsonfeed.org/version/1.1" || got["title"] != d.Title || !isArray || len(items) != len(d.Entries) {
			t.Fatalf("%+v", got)
		}
		objects := []map[string]any{got}
		for _, item := range items {
			item := item.(map[string]any)
			if id, ok := item["id"].(string); !ok || id == "" {
				t.Errorf("no id: %v", item)
			}
			if _, ok := item["content_text"].(string); !ok {
				t.Errorf("no content: %v", item)
			}
			if _, err := cloudevents.ParseTime(fmt.Sprint(item["date_published"])); err != nil {
				t.Error(err)
			}
			objects = append(objects, item)
		}
		for _, object := range objects {
			for name := range object {
				if !known[name] {
					t.Errorf("JSON Feed has no member %s", name)
				}
			}
		}
	}
}

func rss(t *testing.T, d *feed.Document) []byte {
	t.Helper()
	body, err := render.RSS(d, base)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func jsonFeed(t *testing.T, d *feed.Document) []byte {
	t.Helper()
	body, err := render.JSONFeed(d, base)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func read(t *testing.T, body []byte) *gofeed.Feed {
	t.Helper()
	parsed, err := gofeed.NewParser().Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return parsed
}
