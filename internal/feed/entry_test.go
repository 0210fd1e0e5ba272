package feed

import (
	"encoding/xml"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmcdole/gofeed/atom"

	"github.com/eventfeed/eventfeed/event"
)

func TestEntryDocumentIsWrittenAsInTheGoldenFile(t *testing.T) {
	t.Parallel()
	d := testDocument(Archive, testEvents())
	for position, name := range map[int]string{2: "entry", 3: "entry-binary"} {
		golden := filepath.Join("testdata", name+".atom")
		got := string(AppendEntryDocument(nil, d, &d.Entries[position-1]))
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want := readFile(t, golden); got != want {
			t.Errorf("differs from %s:\n%s", golden, got)
		}
	}
}

// TestEntryDocumentHasTheEntryOfTheFeedsDocuments: and what the entry gets from
// the feed there. RFC 4287, section 4.1.2: exactly one id, title and updated, an
// author, at most one content, a summary if that is Base64.
func TestEntryDocumentHasTheEntryOfTheFeedsDocuments(t *testing.T) {
	t.Parallel()
	d := testDocument(Archive, eventsOfEveryKind())
	parsed, err := new(atom.Parser).Parse(strings.NewReader(encode(d)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range d.Entries {
		var got struct {
			XMLName xml.Name `xml:"http://www.w3.org/2005/Atom entry"`
			IDs     []string `xml:"http://www.w3.org/2005/Atom id"`
			Titles  []string `xml:"http://www.w3.org/2005/Atom title"`
			Updated []string `xml:"http://www.w3.org/2005/Atom updated"`
			Author  []string `xml:"author>name"`
			Feed    string   `xml:"source>id"`
			Content []struct {
				Type string `xml:"type,attr"`
				Text string `xml:",chardata"`
			} `xml:"http://www.w3.org/2005/Atom content"`
			Summary []string `xml:"http://www.w3.org/2005/Atom summary"`
		}
		body := AppendEntryDocument(nil, d, &d.Entries[i])
		if err := xml.Unmarshal(body, &got); err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		in := parsed.Entries[i]
		if len(got.IDs) != 1 || got.IDs[0] != in.ID || got.IDs[0] != EntryID(&d.Entries[i].Event) ||
			len(got.Titles) != 1 || got.Titles[0] != in.Title || len(got.Updated) != 1 || got.Updated[0] != in.Updated ||
			len(got.Author) != 1 || got.Author[0] != d.Author || got.Feed != d.ID || len(got.Content) != 1 {
			t.Fatalf("%+v\nin the feed: %+v", got, in)
		}
		if binary := got.Content[0].Type == binaryType; binary != (len(got.Summary) == 1) || !binary && got.Content[0].Text != string(d.Entries[i].Data) {
			t.Errorf("content %+v, summary %q", got.Content, got.Summary)
		}
	}
}

// TestEventPathLeadsToOneEvent: whatever characters its id has; and from there
// the links of its entry document lead to it and to the feed.
func TestEventPathLeadsToOneEvent(t *testing.T) {
	t.Parallel()
	d := testDocument(Archive, testEvents())
	for id, want := range map[string]string{
		"17":       "/feeds/orders/events/17?source=%2Fa%3Fb%3Dc%26d",
		"a/b":      "/feeds/orders/events/?id=a%2Fb&source=%2Fa%3Fb%3Dc%26d",
		"a:b c+%2": "/feeds/orders/events/?id=a%3Ab+c%2B%252&source=%2Fa%3Fb%3Dc%26d",
		"?#;\\ö":   "/feeds/orders/events/?id=%3F%23%3B%5C%C3%B6&source=%2Fa%3Fb%3Dc%26d",
		".":        "/feeds/orders/events/?id=.&source=%2Fa%3Fb%3Dc%26d",
		"..":       "/feeds/orders/events/?id=..&source=%2Fa%3Fb%3Dc%26d",
		"...":      "/feeds/orders/events/?id=...&source=%2Fa%3Fb%3Dc%26d",
	} {
		const source = "/a?b=c&d"
		path := EventPath("orders", source, id)
		if path != want {
			t.Errorf("%q: %s, want %s", id, path, want)
		}
		base, err := url.Parse("https://example.org/sub" + path)
		if err != nil {
			t.Fatal(err)
		}
		got := base.Query().Get("id")
		if segment, ok := strings.CutPrefix(base.Path, "/sub/feeds/orders/events/"); ok && got == "" {
			got = segment
		}
		if got != id || base.Query().Get("source") != source {
			t.Errorf("%s: id %q, source %q", path, got, base.Query().Get("source"))
		}
		var entry struct {
			Links []struct {
				Rel  string `xml:"rel,attr"`
				Href string `xml:"href,attr"`
			} `xml:"link"`
		}
		e := event.Placed{Event: event.Event{ID: id, Source: source, Type: "T", Time: testEvents()[0].Time}, Position: 1}
		if err := xml.Unmarshal(AppendEntryDocument(nil, d, &e), &entry); err != nil {
			t.Fatal(err)
		}
		leads := map[string]string{}
		for _, link := range entry.Links {
			to, err := base.Parse(link.Href)
			if err != nil {
				t.Fatal(err)
			}
			leads[link.Rel] = to.String()
		}
		if leads["self"] != base.String() || leads["collection"] != "https://example.org/sub/feeds/orders" || len(leads) != 2 {
			t.Errorf("%q leads to %v", id, leads)
		}
	}
}
