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
	var attributes strings.Builder
	for i := range 200 {
		fmt.Fprintf(&attributes, ` b%d="c"`, i)
	}
	base := strings.Replace(atomStart, "<feed ", `<feed xml:base="http://a.example/`+strings.Repeat("x", 1900)+`/" `, 1)
	for name, test := range map[string]struct{ body, want string }{
		"elements in an entry":    {atomStart + entryHead + strings.Repeat("<y:a/>", 200_001) + "</entry></feed>", "has an entry of more than 200000 elements and attributes"},
		"elements beside entries": {atomStart + strings.Repeat("<y:a/>", 200_001) + "</feed>", "has an entry of more than 200000 elements and attributes"},
		"attributes":              {atomStart + entryHead + strings.Repeat(`<y:a`+attributes.String()+`/>`, 1000) + "</entry></feed>", "has an entry of more than 200000 elements and attributes"},
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

// TestDocumentThatIsNotWellFormedIsRefused: also where a parser for XML takes it.
func TestDocumentThatIsNotWellFormedIsRefused(t *testing.T) {
	t.Parallel()
	const start, rest = rssStart + "\n<item", "><guid>a</guid><title>x</title></item></channel></rss>"
	for name, test := range map[string]struct{ body, want string }{
		"a text after the root":              {start + rest + "\ngarbage", "line 3: there is text outside the root element"},
		"an entity after the root":           {start + rest + "\n&amp;", "line 3: there is text outside the root element"},
		"a space that is not white":          {start + rest + "&#32;", "there is text outside the root element"},
		"CDATA after the root":               {start + rest + "<![CDATA[]]>", "there is text outside the root element"},
		"a text after a comment":             {"<!-- c -->x" + start + rest, "line 1: there is text outside the root element"},
		"a DOCTYPE after the root":           {start + rest + "\n<!DOCTYPE rss>", `line 3: "<!DOCTYPE rss>" cannot be here`},
		"a DOCTYPE in the root":              {start + "><!DOCTYPE rss></item><item" + rest, `line 2: "<!DOCTYPE rss>" cannot be here`},
		"another declaration":                {"<!ELEMENT rss>" + start + rest, `line 1: "<!ELEMENT rss>" cannot be here`},
		"a declaration in the middle":        {start + `><?xml version="1.0"?></item><item` + rest, "line 2: an XML declaration is in the middle"},
		"a declaration after the root":       {start + rest + `<?xml version="1.0"?>`, "an XML declaration is in the middle"},
		"a declaration twice":                {`<?xml version="1.0"?>` + "\n" + `<?xml version="1.0"?>` + start + rest, "line 2: an XML declaration is in the middle"},
		"an attribute twice":                 {start + ` a="1" a="2"` + rest, "line 2: element item has the attribute a twice"},
		"no space between attributes":        {start + ` a="1"b="2"` + rest, "line 2: element item has no white space between two attributes"},
		"a reference to a surrogate":         {start + "><description>&#xD800;</description></item><item" + rest, "line 2: a character reference is to U+D800"},
		"white space, comments after it":     {start + rest + " \r\n\t<!-- c --><?a b?>\n", ""},
		"a DOCTYPE before it":                {"<?xml version='1.0'?>\n<!-- c --><!DOCTYPE rss>\n<?xml-stylesheet href='a'?>" + start + rest, ""},
		"blank lines before the declaration": {"\n\n<?xml version='1.0'?>\n" + start + rest, ""},
		"an undeclared prefix":               {start + "><y:a y:b='c'/></item><item" + rest, ""},
	} {
		d, err := parsed(t.Context(), t, test.body, limitsFor(fetch.DefaultMaxDocument))
		if test.want == "" {
			if err != nil || len(d.entries) == 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if _, malformed := errors.AsType[*malformedError](err); !malformed || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
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
		_, parts, err := scan(t.Context(), []byte(strings.TrimPrefix(b.String(), `<?xml version="1.0"?>`)), from, limitsFor(fetch.DefaultMaxDocument))
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
