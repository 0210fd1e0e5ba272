package html_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	xhtml "golang.org/x/net/html"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/when"
)

const marker = "window.ran=true"

// sourceOf returns a source that is a text, where RFC 3986 allows it, or holds it.
func sourceOf(s string) string {
	if cloudevents.IsURIReference(s) {
		return s
	}
	if s = "/" + url.PathEscape(s); len(s) > event.MaxAttribute-len("urn:") {
		return "/long"
	}
	return s
}

// schemaOf returns a data schema that is a text, where RFC 3986 allows it, or holds it.
func schemaOf(s string) string {
	if cloudevents.IsURI(s) {
		return s
	}
	return "urn:" + sourceOf(s)
}

// nasty returns events that try to break out of a page in all ways: markup,
// schemes that run, characters that turn text, size. They are in normal form.
func nasty(t testing.TB) []event.Event {
	t.Helper()
	breakouts := []string{
		`<script>` + marker + `</script>`, `</script><script>` + marker + `</script>`, `"><img src=x onerror=` + marker + `>`,
		`'><svg onload=` + marker + `>`, `</title></style></pre></td><iframe srcdoc="<script>` + marker + `</script>">`, `<!--`, `]]>`,
		`{{.}}${` + marker + "}`", `javascript:` + marker, `data:text/html,<script>` + marker + `</script>`, `vbscript:x`, ` javascript:` + marker,
		`https://example.com/" onclick="` + marker, `//example.com`, `http://`, "\u202egnp.exe", "\u2066\u2066\u2069\u2069\u2069\u202e", `&lt;b&gt;&amp;`,
		strings.Repeat("W", 1000), strings.Repeat("ﷺ", 300), "a" + strings.Repeat("\u0301", 400), "..", ".", "a/b", "../../x", "%2e%2e", "a?b#c", "a b+c&d=e", "ünï", `\`, "<base href=//evil.example>",
	}
	var events []event.Event
	many := map[string]string{}
	for i := range 1000 {
		many[fmt.Sprintf("x%d", i)] = "<i>"
	}
	for i, e := range []event.Event{
		{Data: []byte(strings.Repeat("x", 8<<20-1000)), DataContentType: "text/plain"},
		{Data: []byte(`{"long":"` + strings.Repeat("\u202e", 1<<20) + `"}`), DataContentType: "application/json"},
		{Data: []byte(strings.Repeat("[", 9999) + strings.Repeat("0,", 1<<20) + "0" + strings.Repeat("]", 9999)), DataContentType: "application/json"},
		{Data: []byte("\x00\xff<script>" + marker + "</script>"), DataContentType: "text/html"},
		{Data: []byte("\x1b[31m\x7f\u0085\u2028</pre><script>" + marker + "</script>"), DataContentType: "text/plain"},
		{Data: []byte(`{"half":`), DataContentType: "application/json"},
		{Data: []byte(` { "big" : 123456789012345678901234567890.10e400 , "s":"a  b\" }" , "e":{ } ,"f":[ ] } `), DataContentType: "application/json"},
		{Data: []byte(`"data\\"`), DataContentType: "application/json"},
		{Extensions: many},
		{Extensions: map[string]string{"huge": strings.Repeat("<b>", 1<<20)}},
	} {
		e.ID, e.Type = fmt.Sprint("size", i), "Large"
		events = append(events, e)
	}
	for i, s := range breakouts {
		id := s
		if len(id) > event.MaxID {
			id = fmt.Sprint("long", i)
		}
		events = append(events, event.Event{
			ID: id, Source: sourceOf(s), Type: s, Subject: s, DataSchema: schemaOf(s), DataContentType: s, Extensions: map[string]string{"nasty": s, "onload": s}, Data: []byte(s),
		})
		if text, err := json.Marshal(map[string]any{s: []string{s}}); err == nil {
			events = append(events, event.Event{ID: fmt.Sprint("json", i), DataContentType: "application/json", Type: "JSON", Source: sourceOf(s), Data: text})
		}
		events = append(events, event.Event{ID: fmt.Sprint("html", i), DataContentType: "text/html", Type: "HTML", Source: sourceOf(s), Data: []byte(s + "\x00")})
	}
	events = append(events, event.Event{ID: "binary", Type: "Binary", DataContentType: "text/plain", Data: []byte("\xff\xfe<script>")})
	for i := range events {
		if events[i].Source == "" {
			events[i].Source = "/nasty"
		}
		events[i].Time = time.Date(2026, 1, 1, 0, 0, i, 123000, time.UTC)
		e, err := cloudevents.Normal(events[i])
		must.OK(t, err)
		events[i] = e
	}
	return events
}

func document(t testing.TB, kind feed.Kind, events []event.Event) *feed.Document {
	t.Helper()
	d := &feed.Document{
		Kind: kind, ID: "urn:uuid:00000000-0000-4000-8000-000000000001", Name: "f", Title: "<i>\u202e" + strings.Repeat("long", 100), Author: "a",
		Epochs: []feed.Epoch{{ID: "00000000-0000-4000-8000-00000000000e", FirstPosition: 1, FirstPage: 1}}, Epoch: "00000000-0000-4000-8000-00000000000e",
		Page: 2, Archives: 1, First: 1, Last: int64(len(events)), Updated: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	for i, e := range events {
		d.Entries = append(d.Entries, event.Placed{Event: e, Position: int64(i + 1), Recorded: d.Updated})
	}
	if kind == feed.Subscription {
		d.Archived = &feed.ArchivedTypes{}
	}
	return d
}

// types counts the types of a document's events.
func types(d *feed.Document) []feed.TypeCount {
	counts := feed.TypeCounts{}
	for i := range d.Entries {
		counts.Add(d.Entries[i].Position, &d.Entries[i].Event)
	}
	return counts.Sorted()
}

// shared are the pages of all tests, which do not change them.
var shared struct {
	once  sync.Once
	pages map[string][]byte
}

// pages returns every kind of page with all of the nasty events, by their paths.
func pages(t testing.TB) map[string][]byte {
	t.Helper()
	shared.once.Do(func() { shared.pages = renderPages(t) })
	if shared.pages == nil {
		t.Fatal("the pages could not be rendered: see the first test that needed them")
	}
	return shared.pages
}

func renderPages(t testing.TB) map[string][]byte {
	t.Helper()
	events, rendered := nasty(t), map[string][]byte{}
	put := func(path string, page []byte, err error) {
		must.OK(t, err)
		rendered[path] = page
	}
	d := document(t, feed.Subscription, events)
	page, err := html.List([]html.Item{{Name: "f", Title: d.Title, Position: 3, Newest: d.Updated}, {Name: "empty", Title: ""}})
	put("/", page, err)
	page, err = html.Feed(d, "")
	put("/feeds/f", page, err)
	page, err = html.Types(&html.TypesPart{Feed: "f", Title: d.Title, Position: d.Last, Types: types(d), More: true, Later: true})
	put("/feeds/f/types", page, err)
	for before := int64(1); before < d.Last+html.ShownRows; before += html.ShownRows {
		page, err = html.Archive(document(t, feed.Archive, events), before+html.ShownRows, 3)
		put(fmt.Sprintf("/feeds/f/archive/00000000-0000-4000-8000-00000000000e/2?before=%d", before), page, err)
		page, err = html.Part(d, 0, before+html.ShownRows)
		put(fmt.Sprintf("/feeds/f?before=%d", before), page, err)
	}
	for i, e := range events {
		putLookups(t, put, d, i, e)
	}
	for i := range d.Entries {
		e := &html.Event{Placed: d.Entries[i], Feed: "f", Title: d.Title}
		if i > 0 {
			e.Previous = &html.Neighbour{Source: events[i-1].Source, ID: events[i-1].ID, Position: int64(i)}
			e.Entity = &html.Version{Number: 2, Of: 3, Previous: e.Previous, Next: e.Previous}
		}
		page, err = html.EventPage(e)
		put(feed.EventPath("f", e.Source, e.ID), page, err)
		page, err = html.EntityPage(entityOf(d, i))
		put(feed.EntityPath("f", cmp.Or(e.Subject, e.Type)), page, err)
	}
	page, err = html.Error(html.Failure{Root: html.Root("/a/b/c"), Status: 404, Title: events[0].Type, Detail: events[1].Type})
	put("/a/b/c", page, err)
	put("/operations", operationsPage(t, events), nil)
	return rendered
}

// entityOf returns a timeline whose newest version is an event of a document, with the events around it
// as other versions.
func entityOf(d *feed.Document, i int) *html.Entity {
	e := &html.Entity{Feed: "f", Title: d.Title, Subject: cmp.Or(d.Entries[i].Subject, d.Entries[i].Type), Version: 200}
	for j := max(0, i-60); j <= i; j++ {
		version := d.Entries[j]
		size := int64(len(version.Data))
		version.Data = version.Data[:min(size, html.EntityCut)]
		version.Extensions = map[string]string{"authid": version.Type}
		e.Versions = append(e.Versions, html.EntityVersion{Placed: version, Version: int64(j + 1), DataSize: size, IsCompared: j <= i-html.ShownRows})
	}
	e.First, e.Newest = e.Versions[0], e.Versions[len(e.Versions)-1]
	if i%2 == 0 {
		e.Asked = &when.Period{Start: d.Updated, End: d.Updated.AddDate(0, 0, 1), Text: "2026-05-03", Phrase: "on 2026-05-03"}
		e.InPeriod = int64(i % 4 * 60)
	}
	return e
}

// putLookups renders the results of a search and of a filter for an event's attributes.
func putLookups(t testing.TB, put func(path string, page []byte, err error), d *feed.Document, i int, e event.Event) {
	t.Helper()
	listed := []html.Listed{{Placed: d.Entries[i], Size: int64(len(e.Data))}}
	for name, entity := range map[string]string{"": "", "entity": feed.EntityPath("f", e.Subject)} {
		var within *when.Period
		if name != "" {
			within = &when.Period{Phrase: "on 3 May 2026", IsYearAssumed: true}
		}
		page, err := html.FoundPageOf(&html.Found{
			Document: d, Query: e.Type, IsNumber: true, Events: listed, Position: &listed[0], Page: &html.FoundPage{Number: 1, Exists: true},
			Period: &html.FoundPeriod{Period: when.Period{Text: "3 May 2026"}, First: 1, Last: 2, Later: 1}, IsType: true,
			Subject: &html.FoundSubject{Subject: e.Subject, Period: within, Events: listed, Versions: entityOf(d, i).Versions, Number: 30, From: 2, To: 3, Entity: entity},
		})
		put(fmt.Sprintf("/feeds/f?q=%d%s", i, name), page, err)
		page, err = html.FilteredPage(&html.Filtered{Document: d, Filter: html.Filter{Type: e.Type, Subject: e.Subject}, Events: listed, From: 2, To: 9, Before: 10, Entity: entity})
		put(fmt.Sprintf("/feeds/f?type=%d%s", i, name), page, err)
	}
	page, err := html.FoundPageOf(&html.Found{Document: d, Query: e.Subject, IsNumber: true, Page: &html.FoundPage{Number: 9}, Period: &html.FoundPeriod{},
		Subject: &html.FoundSubject{Subject: e.Subject}, Misread: e.Type, Similar: []html.FoundSimilar{{Text: e.Type, Query: e.Subject, IsID: true, Events: 2}}})
	put(fmt.Sprintf("/feeds/f?q=nothing%d", i), page, err)
	page, err = html.FilteredPage(&html.Filtered{Document: d, Filter: html.Filter{Type: e.Type}})
	put(fmt.Sprintf("/feeds/f?type=nothing%d", i), page, err)
}

func TestMarkupOfAPageIsOursAlone(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{}
	for name := range strings.FieldsSeq(`html head meta title link style script body a nav ol ul li bdi main span h1 h2 table caption thead tbody tr th td
		time dl div dt dd p pre code section header noscript form label input button details summary select option strong h3 wbr`) {
		allowed[name] = name
	}
	attributes := map[string]bool{}
	for name := range strings.FieldsSeq(`lang charset name content rel href type title class aria-label id tabindex role scope datetime aria-labelledby
		hidden data-last data-stream data-folder data-self aria-live aria-describedby method action for value required open selected
		autocomplete autocapitalize spellcheck inputmode placeholder maxlength colspan min max`) {
		attributes[name] = true
	}
	for path, page := range pages(t) {
		base, err := url.Parse("http://host/prefix" + path)
		must.OK(t, err)
		root, err := xhtml.ParseWithOptions(strings.NewReader(string(page)), xhtml.ParseOptionEnableScripting(false))
		must.OK(t, err)
		scripts := 0
		for n := range root.Descendants() {
			if n.Type == xhtml.CommentNode || n.Type == xhtml.ElementNode && allowed[n.Data] == "" {
				t.Errorf("%.80s: holds %v <%s>", path, n.Type, n.Data)
			}
			if n.Type == xhtml.TextNode && strings.ContainsAny(n.Data, "\u202e\u2066\u2069") && !isolated(n) {
				t.Errorf("%.80s: can turn what is around it: %.80q", path, n.Data)
			}
			// A browser may take a table that is laid out in another way for none.
			if n.Type == xhtml.ElementNode && slices.Contains(tableParts, n.Data) && !hasRole(n) {
				t.Errorf("%.80s: <%s> has no role", path, n.Data)
			}
			if n.Data == "script" && n.Type == xhtml.ElementNode {
				scripts++
			}
			for _, a := range n.Attr {
				if !attributes[a.Key] {
					t.Errorf("%.80s: <%s> has %s=%.80q", path, n.Data, a.Key, a.Val)
				}
				if a.Key == "href" || a.Key == "action" {
					checkReference(t, base, n.Data, a.Val)
				}
			}
		}
		isEvent := strings.HasPrefix(path, "/feeds/f/events/")
		if most := map[bool]int{true: 1}[path == "/feeds/f" || isEvent]; scripts > most || path == "/feeds/f" && scripts == 0 {
			t.Errorf("%.80s: %d scripts", path, scripts)
		}
	}
}

// isolated reports whether a text is in an element of which the style makes a
// box of its own, so that it cannot turn the text around it.
func isolated(n *xhtml.Node) bool {
	for a := range n.Ancestors() {
		if a.Data == "bdi" || a.Data == "dd" || a.Data == "pre" {
			return true
		}
	}
	return false
}

var tableParts = []string{"table", "thead", "tbody", "tr", "th", "td"}

func hasRole(n *xhtml.Node) bool {
	return slices.ContainsFunc(n.Attr, func(a xhtml.Attribute) bool { return a.Key == "role" })
}

// checkReference checks that a reference leads to a page of ours below the
// prefix, or to the web.
func checkReference(t *testing.T, base *url.URL, element, reference string) {
	t.Helper()
	target, err := base.Parse(reference)
	switch {
	case err != nil:
		t.Errorf("%.80s: reference %.80q: %v", base.Path, reference, err)
	case element == "link" && strings.HasPrefix(reference, "data:image/svg+xml,"), reference == "#main":
	case strings.HasPrefix(reference, "https://example.com/") || strings.HasPrefix(reference, "http"):
		if target.Host == "" || target.Host == "host" {
			t.Errorf("%.80s: reference %.80q", base.Path, reference)
		}
	case target.Host != "host" || !strings.HasPrefix(target.Path, "/prefix/") || strings.Contains(target.Path, "//"):
		t.Errorf("%.80s: reference %.80q leads to %s", base.Path, reference, target)
	}
}

func TestPolicyAllowsExactlyWhatThePagesHold(t *testing.T) {
	t.Parallel()
	headers := map[string]string{}
	html.SetHeaders(func(name, value string) { headers[name] = value })
	policy := headers["Content-Security-Policy"]
	all := pages(t)
	for _, of := range []struct{ path, element string }{{"/feeds/f", "style"}, {"/feeds/f", "script"}, {"/feeds/f/events/size6?source=%2Fnasty", "script"}} {
		_, text, _ := strings.Cut(string(all[of.path]), "<"+of.element+">")
		text, _, _ = strings.Cut(text, "</"+of.element+">")
		sum := sha256.Sum256([]byte(text))
		want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		_, sources, _ := strings.Cut(policy, of.element+"-src ")
		if sources, _, _ = strings.Cut(sources, ";"); text == "" || !slices.Contains(strings.Fields(sources), want) {
			t.Errorf("policy %s lacks %s for the %s of %s", policy, want, of.element, of.path)
		}
	}
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %s lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || headers["X-Content-Type-Options"] != "nosniff" || headers["Referrer-Policy"] == "" {
		t.Errorf("headers: %v", headers)
	}
}

func TestEveryIDHasAPathThatLeadsBackToIt(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"1", "0198c0de-0000-7000-8000-000000000123", "a.b", "~a", "-", "..", ".", "...", ".a", "a/b", "/", "//", "a%2Fb", "%2e", "a b", "a+b", "?", "#",
		"a:b", "javascript:x", "ü", "\u202e", "a&source=x", `\..\`, "a;b", strings.Repeat("é", 127),
	} {
		for _, source := range []string{"/s", "urn:x:y", "https://example.com/a?b=c&d#e", "ü", "a+b"} {
			for _, base := range []string{"http://h/x/feeds/other", "http://h/"} {
				b, err := url.Parse(base)
				must.OK(t, err)
				u, err := b.Parse(feed.EventPath("f", source, id))
				must.OK(t, err)
				folder, got := u.Path[:strings.LastIndex(u.Path, "/")+1], u.Path[strings.LastIndex(u.Path, "/")+1:]
				if got == "" {
					got = u.Query().Get("id")
				}
				if folder != "/feeds/f/events/" || got != id || u.Query().Get("source") != source || u.Fragment != "" {
					t.Errorf("%q of %q: %s", id, source, u)
				}
			}
		}
	}
}

func TestJSONIsIndentedWithoutChangingIt(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		`{"a":1,"b":[],"c":{ },"d":[1.10,-0,1e400,123456789012345678901234567890],"e":"a\" ,b"}`: `{
  "a": 1,
  "b": [],
  "c": {},
  "d": [
    1.10,
    -0,
    1e400,
    123456789012345678901234567890
  ],
  "e": "a\" ,b"
}`,
		` "x" `:                        `"x"`,
		"[\"\u202e\u200b\U000e0041\"]": "[\n  \"\\u202e\\u200b\\udb40\\udc41\"\n]",
		"null":                         "null",
	} {
		got := shownData(t, event.Event{DataContentType: "application/json", Data: []byte(data)})
		if got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", data, got, want)
		}
		if !reflect.DeepEqual(decoded(t, []byte(data)), decoded(t, []byte(got))) {
			t.Errorf("%s became %s", data, got)
		}
	}
}

func TestOtherDataIsShownAsWhatItIs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ contentType, data, want string }{
		{"text/plain", "a\r\n\tb", "a\n\tb"},
		{"text/plain", "\x1b\x7f\u0085é", "␛␡\ufffdé"},
		{"application/json", `{"half":`, `{"half":`},
		{"image/png", "\x89PNG\x00", "00000000  89 50 4e 47 00                                    |.PNG.|\n"},
		{"text/plain", "a\x00b", "00000000  61 00 62                                          |a.b|\n"},
		{"", "plain", "plain"},
	} {
		if got := shownData(t, event.Event{DataContentType: test.contentType, Data: []byte(test.data)}); got != test.want {
			t.Errorf("%q: got %q, want %q", test.data, got, test.want)
		}
	}
}

// shownData returns what an event's page holds as its data.
func shownData(t *testing.T, e event.Event) string {
	t.Helper()
	e.ID, e.Source, e.Type = "1", "/s", "T"
	page, err := html.EventPage(&html.Event{Placed: event.Placed{Event: e, Position: 1}, Feed: "f", Title: "f"})
	must.OK(t, err)
	root, err := xhtml.Parse(strings.NewReader(string(page)))
	must.OK(t, err)
	for n := range root.Descendants() {
		if n.Data == "pre" {
			if n.FirstChild.FirstChild == nil {
				return ""
			}
			return n.FirstChild.FirstChild.Data
		}
	}
	t.Fatalf("no data in\n%s", page)
	return ""
}

func TestAPageOfAnEventSaysWhoCausedIt(t *testing.T) {
	t.Parallel()
	for who, extensions := range map[string]map[string]string{
		"anna &lt;b&gt; (user)": {"authid": "anna <b>", "authtype": "user"},
		"system":                {"authtype": "system"},
		"anna":                  {"authid": "anna"},
		"":                      {"other": "anna"},
	} {
		e := event.Event{ID: "1", Source: "/s", Type: "T", Extensions: extensions}
		page, err := html.EventPage(&html.Event{Placed: event.Placed{Event: e, Position: 1}, Feed: "f", Title: "f"})
		must.OK(t, err)
		line := `<p class="muted">by <bdi>` + who + "</bdi></p>"
		if strings.Contains(string(page), line) != (who != "") || strings.Contains(string(page), "by <bdi>") != (who != "") {
			t.Errorf("%v: want %q\n%s", extensions, who, page)
		}
	}
}

func TestAPageOfAnEventStaysSmallAndLinksTheWhole(t *testing.T) {
	t.Parallel()
	for path, page := range pages(t) {
		if len(page) > 2<<20 {
			t.Errorf("%.80s: %d bytes", path, len(page))
		}
		if strings.Contains(path, "/size0") && !strings.Contains(string(page), `This is its beginning: <a href="../../../feeds/f/events/size0?source=%2Fnasty&amp;format=cloudevents">`) {
			t.Errorf("%.80s: no link to the whole", path)
		}
		if strings.Contains(path, "/size8") && !strings.Contains(string(page), "And 500 more extensions") {
			t.Errorf("%.80s: no word of the other extensions", path)
		}
	}
}

func TestRootIsFoundFromEveryPath(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/", "/a", "/a/", "/a/b", "/feeds/x/archive/e/1", "/%2F/b", "", "//"} {
		base, err := url.Parse("http://h/prefix" + path)
		must.OK(t, err)
		target, err := base.Parse(html.Root(path))
		must.OK(t, err)
		if path != "" && target.Path != "/prefix/" {
			t.Errorf("%q: %s", path, target)
		}
	}
}

func FuzzAnyDataHasAPage(f *testing.F) {
	f.Add([]byte(`{"a":[1,{}],"b":"\u202e"}`), "application/json", true)
	f.Add([]byte("\xff"), "text/plain", false)
	f.Fuzz(func(t *testing.T, data []byte, contentType string, isJSON bool) {
		if isJSON {
			contentType = "application/json"
		}
		if len(data) == 0 {
			return
		}
		shown := shownData(t, event.Event{DataContentType: contentType, Data: data})
		if contentType != "application/json" || !utf8.Valid(data) || !json.Valid(data) || len(shown) >= 100_000 {
			return
		}
		if before, after := decoded(t, data), decoded(t, []byte(shown)); !reflect.DeepEqual(before, after) {
			t.Errorf("%q is shown as %q", data, shown)
		}
	})
}

// decoded keeps the digits of numbers.
func decoded(t *testing.T, text []byte) (value any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	must.OK(t, decoder.Decode(&value))
	return value
}
