package feed_test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
)

func TestAnEntityHasOnePathThatGivesItsSubjectBack(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"o-1":           "/feeds/orders/entities/o-1",
		"O_1.a~b":       "/feeds/orders/entities/O_1.a~b",
		"archive":       "/feeds/orders/entities/archive",
		".":             "/feeds/orders/entities/?subject=.",
		"..":            "/feeds/orders/entities/?subject=..",
		"~x":            "/feeds/orders/entities/?subject=~x",
		"orders/o-1":    "/feeds/orders/entities/?subject=orders%2Fo-1",
		"a b":           "/feeds/orders/entities/?subject=a+b",
		"a+b&subject=c": "/feeds/orders/entities/?subject=a%2Bb%26subject%3Dc",
		"50%":           "/feeds/orders/entities/?subject=50%25",
		"Größe":         "/feeds/orders/entities/?subject=Gr%C3%B6%C3%9Fe",
	} {
		path := feed.EntityPath("orders", subject)
		if path != want {
			t.Errorf("EntityPath(%q) = %q, want %q", subject, path, want)
		}
		u, err := url.Parse(path)
		if err != nil {
			t.Errorf("EntityPath(%q): %v", subject, err)
			continue
		}
		if back := u.Query().Get("subject"); u.RawQuery != "" && back != subject {
			t.Errorf("EntityPath(%q) names the subject %q", subject, back)
		}
	}
}

// TestAnEntitysDocumentsHaveWhatAtomRequires, and the entries that the feed's documents have.
func TestAnEntitysDocumentsHaveWhatAtomRequires(t *testing.T) {
	t.Parallel()
	entries := []event.Placed{
		{Event: event.Event{ID: "17", Source: "/orders", Type: "A<&>", Subject: "a/b \"c\"", Time: time.Unix(1, 0), Data: []byte("<x>")}, Position: 3, Recorded: time.Unix(9, 0)},
		{Event: event.Event{ID: "18", Source: "/orders", Type: "B", Subject: "a/b \"c\"", Time: time.Unix(2, 0), Data: []byte("\x00")}, Position: 8, Recorded: time.Unix(10, 0)},
	}
	const feedID = "urn:uuid:5d1c7a0e-6a3f-4c55-9a52-3a1f0c7d2b10"
	for _, kind := range []feed.Kind{feed.Subscription, feed.Archive} {
		d := &feed.EntityDocument{
			Kind: kind, FeedID: feedID, Name: "orders", Title: "Orders & more", Author: "<shop>", Subject: `a/b "c"`, Updated: time.Unix(10, 0),
			First: 7, Last: 8, Entries: entries, Epoch: "e2", Previous: &feed.EntityArchive{Epoch: "e1", Last: 6},
		}
		if kind == feed.Archive {
			d.Next = &feed.EntityArchive{Epoch: "e2", Last: 12}
		}
		text := feed.AppendEntityDocument(nil, d)
		var parsed struct {
			XMLName xml.Name   `xml:"http://www.w3.org/2005/Atom feed"`
			IDs     []string   `xml:"id"`
			Titles  []string   `xml:"title"`
			Updated []string   `xml:"updated"`
			Authors []string   `xml:"author>name"`
			Archive []struct{} `xml:"http://purl.org/syndication/history/1.0 archive"`
			Ours    []struct{} `xml:"urn:uuid:1497358a-ded9-40c6-a34c-d49f5a669243 feed"`
			Entries []struct {
				ID    string `xml:"http://www.w3.org/2005/Atom id"`
				Event struct {
					Version int64 `xml:"version,attr"`
				} `xml:"urn:uuid:1497358a-ded9-40c6-a34c-d49f5a669243 event"`
			} `xml:"entry"`
		}
		if err := xml.Unmarshal(text, &parsed); err != nil {
			t.Fatal(err)
		}
		if len(parsed.IDs) != 1 || parsed.IDs[0] != d.ID() || parsed.IDs[0] == feedID || len(parsed.Titles) != 1 || parsed.Titles[0] != `a/b "c" in Orders & more` ||
			len(parsed.Updated) != 1 || parsed.Updated[0] != "1970-01-01T00:00:10Z" || len(parsed.Authors) != 1 || parsed.Authors[0] != "<shop>" ||
			len(parsed.Archive) != int(kind) || len(parsed.Ours) > 0 {
			t.Errorf("%s", text)
		}
		for version, e := range d.Listed() {
			in := feed.AppendDocument(nil, &feed.Document{Kind: feed.Archive, Epochs: []feed.Epoch{{}}, Entries: []event.Placed{*e}})
			_, entry, _ := strings.Cut(string(in), "<entry>")
			entry, _, _ = strings.Cut(entry, "</entry>")
			recorded := `recorded="` + cloudevents.FormatTime(e.Recorded) + `"`
			want := strings.Replace(entry, recorded, recorded+fmt.Sprintf(` version="%d"`, version), 1)
			if want == entry || !strings.Contains(string(text), "<entry>"+want+"</entry>\n") {
				t.Errorf("%s\nlacks %s", text, want)
			}
			if i := map[feed.Kind]int64{feed.Subscription: 8 - version, feed.Archive: version - 7}[kind]; parsed.Entries[i].ID != feed.EntryID(&e.Event) || parsed.Entries[i].Event.Version != version {
				t.Errorf("entry %d is %+v", i, parsed.Entries[i])
			}
		}
	}
	other := feed.EntityDocument{FeedID: "urn:uuid:5d1c7a0e-6a3f-4c55-9a52-3a1f0c7d2b11", Subject: "a"}
	one := feed.EntityDocument{FeedID: feedID, Subject: "a"}
	two := feed.EntityDocument{FeedID: feedID, Subject: "b"}
	if one.ID() == two.ID() || one.ID() == other.ID() {
		t.Error("two entities have one id")
	}
}
