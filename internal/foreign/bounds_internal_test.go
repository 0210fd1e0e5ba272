package foreign

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/fetch"
)

const (
	atomStart = `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:y="urn:y"><id>urn:x</id><title>t</title><updated>2020-01-01T00:00:00Z</updated>`
	entryHead = `<entry><id>a</id><title>x</title><updated>2020-01-01T00:00:00Z</updated>`
	rssStart  = `<rss version="2.0"><channel><title>t</title><link>http://a.example/</link>`
)

func parsed(ctx context.Context, t *testing.T, body string, l limits) (*document, error) {
	t.Helper()
	from, err := url.Parse("http://a.example/feed")
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(ctx, []byte(body), from, "", l)
	if err == nil {
		err = d.makeEvents(ctx, naming{feedID: "urn:x"}, l)
	}
	return d, err
}

// TestDocumentThatExpandsIsRefused: for what it would take, and not for what it weighs. A
// limit is no reason to take it for another document, or for one that is being written.
func TestDocumentThatExpandsIsRefused(t *testing.T) {
	t.Parallel()
	base := strings.Replace(atomStart, "<feed ", `<feed xml:base="http://a.example/`+strings.Repeat("x", 1900)+`/" `, 1)
	for name, test := range map[string]struct{ body, want string }{
		"elements in an entry":    {atomStart + entryHead + strings.Repeat("<y:a/>", 200_001) + "</entry></feed>", "has an entry of more than 200000 elements and attributes"},
		"elements beside entries": {atomStart + strings.Repeat("<y:a/>", 200_001) + "</feed>", "has an entry of more than 200000 elements and attributes"},
		"attributes":              {atomStart + entryHead + strings.Repeat(`<y:a`+strings.Repeat(` b="c"`, 200)+`/>`, 1000) + "</entry></feed>", "has an entry of more than 200000 elements and attributes"},
		"entries":                 {atomStart + strings.Repeat("<entry><id>a</id></entry>", 7000), "its entries take more than 6 MiB of memory"},
		"enclosures":              {rssStart + "<item>" + strings.Repeat(`<enclosure url="a"/>`, 150_000) + "</item></channel></rss>", "has an entry of more than 200000 elements and attributes"},
		"links under a long base": {base + entryHead + strings.Repeat(`<link href="x"/>`, 5000) + "</entry></feed>", "its entries take more than 6 MiB of memory"},
		"HTML under a long base":  {base + entryHead + `<content type="html">` + strings.Repeat(`&lt;a href="x">`, 50_000) + "</content></entry></feed>", "has texts with more markup than is resolved against its xml:base"},
		"a base":                  {atomStart + `<entry xml:base="` + strings.Repeat("x", maxURL+1) + `"/></feed>`, "has an xml:base of more than 2000 bytes"},
		"an entry":                {atomStart + entryHead + strings.Repeat("<summary>"+strings.Repeat("x", 1<<20)+"</summary>", 17) + "</entry></feed>", "entry 1 has "},
		"a text":                  {atomStart + entryHead + "<summary>" + strings.Repeat("x", 17<<20), "has a text, tag or comment of more than 16 MiB"},
		"tags around entries":     {strings.Replace(atomStart, "<feed", `<feed y="`+strings.Repeat("x", 70<<10)+`"`, 1) + strings.Repeat(entryHead+strings.Repeat("x", 1<<20)+"</entry>", 2) + "</feed>", "the tags around its entries have more than"},
		"a document":              {atomStart + strings.Repeat(" ", 20<<20) + "</feed>", "the document is larger than 19 MiB"},
		"declarations":            {atomStart + entryHead + strings.Repeat(`<y:a xmlns:z="u"/>`, 300_001) + "</entry></feed>", "elements and attributes"},
	} {
		l := limits{document: 19 << 20, memory: 6 << 20}
		_, err := parsed(t.Context(), t, test.body, l)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) && !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s: %.200v, want %s", name, err, test.want)
		}
		if _, malformed := errors.AsType[*malformedError](err); malformed || !isLimit(err) {
			t.Errorf("%s: %v is no error of a limit", name, err)
		}
	}
}

// TestFeedsLinksTakeNoTime: of each relation a few are kept.
func TestFeedsLinksTakeNoTime(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&b, `<link rel="next" href="/%d"/>`, i)
	}
	d, err := parsed(t.Context(), t, atomStart+b.String()+"</feed>", limitsFor(fetch.DefaultMaxDocument))
	if err != nil || len(d.links["next"]) != maxLinks || d.links["next"][1] != "http://a.example/1" {
		t.Errorf("%q, %v", d.links, err)
	}
}

// TestPartsAreReadAsTheWhole: gofeed gets a document in parts, each with the elements
// around its entries.
func TestPartsAreReadAsTheWhole(t *testing.T) {
	t.Parallel()
	const n = 300 // of 10 KiB
	text := strings.Repeat("0123456789", 1000)
	for name, test := range map[string]struct{ start, entry, end string }{
		"Atom":           {`<?xml version="1.0"?><!-- c --><feed xmlns="http://www.w3.org/2005/Atom" xml:base="http://b.example/"><id>urn:x</id><title>first</title>`, `<entry><id>%d</id><title>t</title><link href="%[1]d"/><summary>` + text + `</summary></entry>`, "<updated>2021-01-01T00:00:00Z</updated></feed>"},
		"Atom, prefixed": {`<a:feed xmlns:a="http://www.w3.org/2005/Atom" xml:base='http://b.example/'><a:id>urn:x</a:id><a:title>first</a:title>`, `<a:entry ><a:id>%d</a:id><a:title>t</a:title><a:link href="%[1]d"></a:link><a:summary>` + text + `</a:summary></a:entry>` + "\n", "<a:updated>2021-01-01T00:00:00Z</a:updated></a:feed>"},
		"RSS":            {"<rss version='2.0'>\n<channel\n><title>first</title>", `<item><guid>%d</guid><title>t</title><link>http://b.example/%[1]d</link><description>` + text + `</description></item>`, `<lastBuildDate>Fri, 01 Jan 2021 00:00:00 GMT</lastBuildDate></channel></rss>`},
		"RDF":            {`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel><title>first</title></channel>`, `<item rdf:about="%d"><title>t</title><link>http://b.example/%[1]d</link><description>` + text + `</description></item>`, `</rdf:RDF>`},
	} {
		var b strings.Builder
		b.WriteString(test.start)
		for i := range n {
			fmt.Fprintf(&b, test.entry, i)
		}
		b.WriteString(test.end)
		from, _ := url.Parse("http://a.example/feed")
		_, parts, err := scan(t.Context(), []byte(b.String()), from, limitsFor(fetch.DefaultMaxDocument))
		if err != nil || len(parts) != 3 {
			t.Fatalf("%s: %d parts, %v", name, len(parts), err)
		}
		d, err := parsed(t.Context(), t, b.String(), limitsFor(fetch.DefaultMaxDocument))
		if err != nil || len(d.entries) != n || d.title != "first" || name != "RDF" && d.updated.Year() != 2021 {
			t.Fatalf("%s: %d entries of %q, %s, %v", name, len(d.entries), d.title, d.updated, err)
		}
		for i := range d.entries {
			e := &d.entries[i].event
			if e.ID != fmt.Sprint(i) || !strings.Contains(string(e.Data), fmt.Sprintf(`"link":"http://b.example/%d"`, i)) || !strings.Contains(string(e.Data), text) {
				t.Fatalf("%s: entry %d is %s: %.300s", name, i, e.ID, e.Data)
			}
		}
	}
}

// TestReadingEndsWithItsContext: in whatever step it is.
func TestReadingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	body := atomStart + strings.Repeat(entryHead+"</entry>", 1000) + "</feed>"
	l := limitsFor(fetch.DefaultMaxDocument)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := parsed(ended, t, body, l); !errors.Is(err, context.Canceled) {
		t.Errorf("parsing: %v", err)
	}
	d, err := parsed(t.Context(), t, body, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.makeEvents(ended, naming{feedID: "urn:x"}, l); !errors.Is(err, context.Canceled) {
		t.Errorf("making events: %v", err)
	}
	if err := d.readAtom(ended, &part{body: []byte(body)}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("gofeed: %v", err)
	}
}
