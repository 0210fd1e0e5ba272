package server_test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// node is an XML element.
type node struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []node     `xml:",any"`
}

func (n *node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

const (
	atomNamespace    = "http://www.w3.org/2005/Atom"
	historyNamespace = "http://purl.org/syndication/history/1.0"
)

// all returns the children of a name in the Atom namespace.
func (n *node) all(name string) []*node { return n.of(atomNamespace, name) }

func (n *node) of(namespace, name string) []*node {
	var found []*node
	for i := range n.Children {
		if c := &n.Children[i]; c.XMLName == (xml.Name{Space: namespace, Local: name}) {
			found = append(found, c)
		}
	}
	return found
}

// one returns the only child of a name.
func (n *node) one(t *testing.T, name string) *node {
	t.Helper()
	found := n.all(name)
	if len(found) != 1 {
		t.Errorf("%s has %d elements %s", n.XMLName.Local, len(found), name)
		return &node{}
	}
	return found[0]
}

func (n *node) link(rel string) string {
	for _, link := range n.all("link") {
		if link.attr("rel") == rel {
			return link.attr("href")
		}
	}
	return ""
}

func parseAtom(t *testing.T, body []byte) *node {
	t.Helper()
	var root node
	must.OK(t, xml.Unmarshal(body, &root))
	return &root
}

// nasty are events with data of every kind.
func nasty() []event.Event {
	events := storetest.Events(1, 12)
	for i, data := range []string{
		`{"a":"<b>&amp;</b>"}`, "<a><b/></a>", "", " padded ", "line\r\nend", "\x00\x01", "caf\xe9", "]]>", "a\ufffe", "\u2028<![CDATA[x]]>", `"`, "ünï 📦",
	} {
		events[i].Data, events[i].Subject = []byte(data), "s<&\">"
		events[i].Extensions = map[string]string{"traceparent": "00-<&>"}
	}
	events[1].DataContentType, events[2].DataContentType, events[5].DataContentType = "application/xml", "", "image/png"
	events[3].ID = "0b0f6c5e-8f0d-4a43-8f5e-1d2c3b4a5968"
	events[4].ID, events[4].Source = events[6].ID, "/other" // the same id of another source
	return events
}

// serveNasty serves a feed of every kind of data: archives, an epoch that
// began, and a subscription document.
func serveNasty(t *testing.T) (*store.Log, *httptest.Server) {
	t.Helper()
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	_, err := l.Create(t.Context(), store.Feed{Name: "f", PageSize: 5, Title: `T <i>&"`, Author: "A & Co <x>"})
	must.OK(t, err)
	storetest.Append(t, l, "f", nasty())
	storetest.Drain(t, l, "f")
	must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
	storetest.Append(t, l, "f", storetest.Events(100, 105))
	storetest.Drain(t, l, "f")
	return l, servertest.Serve(t, l)
}

// feedDocuments are all Atom Feed Documents, a delta among them.
func feedDocuments(t *testing.T, l *store.Log, s *httptest.Server) map[string]*node {
	t.Helper()
	documents := map[string]*node{}
	for _, url := range urlsNow(t, l) {
		if strings.HasSuffix(url, "=atom") {
			response, body := do(t, "GET", s.URL+url)
			if response.Header.Get("Content-Type") != "application/atom+xml" {
				t.Errorf("%s: %v", url, response.Header)
			}
			documents[url] = parseAtom(t, body)
		}
	}
	have, _ := do(t, "GET", s.URL+"/feeds/f")
	storetest.Append(t, l, "f", storetest.Events(200, 201))
	storetest.Drain(t, l, "f")
	response, body := do(t, "GET", s.URL+"/feeds/f", "A-IM", "feed", "If-None-Match", have.Header.Get("ETag"))
	if response.StatusCode != 226 {
		t.Fatalf("no delta: %d", response.StatusCode)
	}
	documents["/feeds/f?format=atom&delta"] = parseAtom(t, body)
	return documents
}

var (
	datePattern = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`)
	iriPattern  = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

func checkDate(t *testing.T, text string) {
	t.Helper()
	if _, err := time.Parse(time.RFC3339Nano, text); err != nil || !datePattern.MatchString(text) {
		t.Errorf("%q is no date of RFC 3339 with capital T and Z", text)
	}
}

func checkID(t *testing.T, text string) {
	t.Helper()
	if !iriPattern.MatchString(text) {
		t.Errorf("%q is no normal IRI", text)
	}
}

func checkText(t *testing.T, n *node) {
	t.Helper()
	if kind := n.attr("type"); kind != "" && kind != "text" || len(n.Children) > 0 || strings.TrimSpace(n.Text) == "" {
		t.Errorf("%s of type %q with %d elements: %q", n.XMLName.Local, kind, len(n.Children), n.Text)
	}
}

func TestAtomFeedHasWhatItMust(t *testing.T) {
	l, s := serveNasty(t)
	for url, d := range feedDocuments(t, l, s) {
		if d.XMLName != (xml.Name{Space: atomNamespace, Local: "feed"}) {
			t.Fatalf("%s: root %v", url, d.XMLName)
		}
		checkID(t, d.one(t, "id").Text)
		checkText(t, d.one(t, "title"))
		checkDate(t, d.one(t, "updated").Text)
		checkText(t, d.one(t, "author").one(t, "name"))
		if d.one(t, "title").Text != `T <i>&"` || d.all("author")[0].all("name")[0].Text != "A & Co <x>" {
			t.Errorf("%s: title %q of %q", url, d.all("title")[0].Text, d.all("author")[0].all("name")[0].Text)
		}
		if d.link("self") == "" {
			t.Errorf("%s: no self", url)
		}
		entries := false // no metadata behind the entries
		for i := range d.Children {
			isEntry := d.Children[i].XMLName == (xml.Name{Space: atomNamespace, Local: "entry"})
			if entries && !isEntry {
				t.Errorf("%s: %s behind an entry", url, d.Children[i].XMLName.Local)
			}
			entries = isEntry
		}
		checkLinks(t, url, d)
	}
}

// checkLinks holds RFC 4287 section 4.2.7.
func checkLinks(t *testing.T, url string, n *node) {
	t.Helper()
	seen := map[string]bool{}
	for _, link := range n.all("link") {
		rel := link.attr("rel")
		if link.attr("href") == "" || rel == "" || strings.TrimSpace(link.Text) != "" || len(link.Children) > 0 {
			t.Errorf("%s: link %+v", url, link)
		}
		if seen[rel] {
			t.Errorf("%s: two links %s", url, rel)
		}
		seen[rel] = true
	}
}

func TestAtomEntryHasWhatItMust(t *testing.T) {
	l, s := serveNasty(t)
	idOf := map[string]string{}
	for url, d := range feedDocuments(t, l, s) {
		seen := map[string]bool{}
		for _, e := range d.all("entry") {
			id := e.one(t, "id").Text
			checkID(t, id)
			if seen[id] {
				t.Errorf("%s: two entries %s", url, id)
			}
			seen[id] = true
			checkEntry(t, url, e)
			// One event is one entry, the same in every document.
			text := fmt.Sprintf("%+v", e)
			if known, ok := idOf[id]; ok && known != text {
				t.Errorf("%s: entry %s differs from that of another document", url, id)
			}
			idOf[id] = text
		}
	}
	if len(idOf) != 20 {
		t.Errorf("%d entries", len(idOf))
	}
}

func checkEntry(t *testing.T, url string, e *node) {
	t.Helper()
	checkText(t, e.one(t, "title"))
	checkDate(t, e.one(t, "updated").Text)
	if e.one(t, "category").attr("term") == "" {
		t.Errorf("%s: category without term", url)
	}
	checkLinks(t, url, e)
	content := e.one(t, "content")
	if content.attr("src") != "" || len(content.Children) > 0 {
		t.Errorf("%s: content %+v", url, content)
	}
	switch kind := content.attr("type"); kind {
	case "text/plain": // RFC 4287 section 4.1.3.3, rule 4
	case "application/octet-stream": // rule 5; section 4.1.2 asks for a summary then
		checkText(t, e.one(t, "summary"))
		if _, err := base64.StdEncoding.DecodeString(content.Text); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	default:
		t.Errorf("%s: content of type %q", url, kind)
	}
}

func TestAtomEntryDocumentStandsForItself(t *testing.T) {
	_, s := serveNasty(t)
	feedDocument, body := do(t, "GET", s.URL+"/feeds/f")
	feedID := parseAtom(t, body).one(t, "id").Text
	for _, id := range []string{"1", "6", "7?source=/other", "0b0f6c5e-8f0d-4a43-8f5e-1d2c3b4a5968"} {
		url := s.URL + "/feeds/f/events/" + id
		response, body := do(t, "GET", url)
		if response.Header.Get("Content-Type") != "application/atom+xml;type=entry" {
			t.Errorf("%s: %v", url, response.Header)
		}
		e := parseAtom(t, body)
		if e.XMLName != (xml.Name{Space: atomNamespace, Local: "entry"}) {
			t.Fatalf("%s: root %v", url, e.XMLName)
		}
		checkID(t, e.one(t, "id").Text)
		checkText(t, e.one(t, "author").one(t, "name"))
		checkEntry(t, url, e)
		if source := e.one(t, "source"); source.one(t, "id").Text != feedID || source.one(t, "updated").Text == "" {
			t.Errorf("%s: source %+v", url, source)
		}
		for rel, want := range map[string]string{"self": "application/atom+xml;type=entry", "collection": feedDocument.Header.Get("Content-Type")} {
			target, err := response.Request.URL.Parse(e.link(rel))
			must.OK(t, err)
			if there, _ := do(t, "GET", target.String()); there.Header.Get("Content-Type") != want {
				t.Errorf("%s: %s leads to %s: %d", url, rel, target, there.StatusCode)
			}
		}
	}
}

// TestArchivedFeedHasTheLinksAndMarksOfRFC5005 looks at each document of a feed
// that went on under a new epoch.
func TestArchivedFeedHasTheLinksAndMarksOfRFC5005(t *testing.T) {
	l, s := serveNasty(t)
	documents := feedDocuments(t, l, s)
	ids := map[string]bool{}
	for url, d := range documents {
		ids[d.one(t, "id").Text] = true
		isArchive := strings.Contains(url, "/archive/")
		marks := d.of(historyNamespace, "archive")
		if (len(marks) == 1) != isArchive || isArchive && (marks[0].Text != "" || len(marks[0].Children) > 0) {
			t.Errorf("%s: fh:archive %+v", url, marks)
		}
		if len(d.of(historyNamespace, "complete")) > 0 {
			t.Errorf("%s: is no complete feed", url)
		}
		isFirst, isFinal := strings.Contains(url, "/1?"), isArchive && d.link("next-archive") != ""
		if (d.link("prev-archive") == "") != isFirst || (d.link("current") != "") != isArchive || !isArchive && d.link("next-archive") != "" {
			t.Errorf("%s: prev-archive %q, current %q", url, d.link("prev-archive"), d.link("current"))
		}
		path, _, _ := strings.Cut(url, "?")
		for _, rel := range []string{"self", "current", "prev-archive", "next-archive"} {
			if d.link(rel) == "" {
				continue
			}
			at, _ := do(t, "HEAD", s.URL+path)
			target, err := at.Request.URL.Parse(d.link(rel))
			must.OK(t, err)
			there, body := do(t, "GET", target.String())
			if there.StatusCode == 410 && rel == "next-archive" && isFinal {
				continue // the page was lost; problem_test.go
			}
			if there.StatusCode != 200 || parseAtom(t, body).one(t, "id").Text != d.one(t, "id").Text {
				t.Errorf("%s: %s leads to %s: %d", url, rel, target, there.StatusCode)
			}
			if rel == "self" && target.Path != path {
				t.Errorf("%s: self is %s", url, target)
			}
		}
	}
	if len(ids) != 1 || len(documents) != 6 {
		t.Errorf("%d documents of the feeds %v", len(documents), ids)
	}
}

// TestArchivesAndSubscriptionAreTheWholeFeed: from the documents of RFC 5005
// section 4 the feed comes out as it is, each entry once in the archives.
func TestArchivesAndSubscriptionAreTheWholeFeed(t *testing.T) {
	l, s := serveNasty(t)
	archived, all := map[string]int{}, map[string]bool{}
	for url, d := range feedDocuments(t, l, s) {
		for _, e := range d.all("entry") {
			id := e.one(t, "id").Text
			all[id] = true
			if strings.Contains(url, "/archive/") {
				archived[id]++
			}
		}
	}
	for id, times := range archived {
		if times != 1 {
			t.Errorf("%s is in %d archives", id, times)
		}
	}
	if want := len(storetest.Read(t, l, "f")); len(all) != want {
		t.Errorf("%d entries of %d", len(all), want)
	}
}
