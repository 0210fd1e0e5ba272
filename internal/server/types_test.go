package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	xhtml "golang.org/x/net/html"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func TestTypesOfAFeedAreJSONAndAPage(t *testing.T) {
	l, s := serve(t)
	storetest.Append(t, l, "f", []event.Event{{ID: "rare", Source: "/f", Type: "It's <rare>, & \u202eturned", DataSchema: "https://schemas.example/rare"}})
	storetest.Drain(t, l, "f")
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	response, body := do(t, "GET", s.URL+"/feeds/f/types")
	want := `{"feed":"f","id":"` + f.ID + `","position":251,"types":[` +
		`{"type":"Counted","events":250,"first":1,"last":250},` +
		`{"type":"It's <rare>, & ` + "\u202e" + `turned","dataschema":"https://schemas.example/rare","events":1,"first":251,"last":251}],"more":false}` + "\n"
	if string(body) != want || response.StatusCode != 200 {
		t.Errorf("%d %s\nwant %s", response.StatusCode, body, want)
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "public, max-age=1", "Vary": "Accept, Accept-Encoding",
		"Link": `<?format=html>; rel="alternate"; type="text/html; charset=utf-8"`,
	} {
		if got := response.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	if again, _ := do(t, "GET", s.URL+"/feeds/f/types", "If-None-Match", response.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.StatusCode)
	}
	if page, _ := do(t, "GET", s.URL+"/feeds/f/types", "Accept", "text/html,*/*;q=0.8"); essence(page) != "text/html" {
		t.Errorf("a browser gets %v", page.Header)
	}
	storetest.Append(t, l, "f", storetest.Events(251, 251))
	storetest.Drain(t, l, "f")
	if changed, _ := do(t, "GET", s.URL+"/feeds/f/types", "If-None-Match", response.Header.Get("ETag")); changed.StatusCode != http.StatusOK {
		t.Errorf("after another event: %d", changed.StatusCode)
	}
}

// A producer may have a type for each event. Every answer is short, says that there is more, and
// leads to it; together they are all types.
func TestManyTypesComeInPartsThatLeadToOneAnother(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	events := storetest.Events(1, 2310)
	for i := range events {
		events[i].Type = fmt.Sprintf("a&b=%d + ünï?#%%2f", i%1155)
		events[i].DataSchema = fmt.Sprintf("https://schemas.example/?a=%d&b=c#d", i%2)
	}
	storetest.Append(t, l, "f", events)
	storetest.Drain(t, l, "f")
	s := servertest.Serve(t, l)
	start := s.URL + "/feeds/f/types"

	var parts []int
	seen := map[feed.TypeKey]int64{}
	for at := start; at != ""; {
		var d feed.TypesDocument
		response, body := do(t, "GET", at)
		must.OK(t, json.Unmarshal(body, &d))
		parts = append(parts, len(d.Types))
		for _, c := range d.Types {
			seen[c.TypeKey] += c.Events
		}
		if d.More != (d.Next != "") || len(response.Header.Get("Link")) > 200 {
			t.Errorf("%s: more is %v, next %q, Link %q", at, d.More, d.Next, response.Header.Get("Link"))
		}
		at = resolved(t, at, d.Next)
	}
	if fmt.Sprint(parts) != "[1000 1000 310]" || len(seen) != 2310 {
		t.Errorf("parts of %v, %d types", parts, len(seen))
	}

	rows, pages := 0, 0
	for at := start; at != ""; pages++ {
		response, body := do(t, "GET", at, "Accept", "text/html")
		if response.StatusCode != 200 || pages > 100 {
			t.Fatalf("%s: %d %s", at, response.StatusCode, body)
		}
		n := strings.Count(string(body), `scope="row"`)
		if rows += n; n > 50 {
			t.Errorf("%s: %d rows", at, n)
		}
		at = resolved(t, at, linkCalled(t, body, "More types"))
	}
	if rows != 2310 || pages != 47 {
		t.Errorf("%d rows on %d pages", rows, pages)
	}
	if _, body := do(t, "GET", s.URL+"/feeds/f", "Accept", "text/html"); !strings.Contains(string(body), "More than 100 types") {
		t.Error("the feed's page does not say that there are many types")
	}
}

// resolved returns the URL of a reference; empty if there is none.
func resolved(t *testing.T, at, reference string) string {
	t.Helper()
	if reference == "" {
		return ""
	}
	base, err := url.Parse(at)
	must.OK(t, err)
	target, err := base.Parse(reference)
	must.OK(t, err)
	return target.String()
}

// linkCalled returns the target of the first link with a text; empty if there is none.
func linkCalled(t *testing.T, page []byte, text string) (href string) {
	t.Helper()
	root, err := xhtml.Parse(strings.NewReader(string(page)))
	must.OK(t, err)
	for n := range root.Descendants() {
		if n.Data == "a" && n.FirstChild != nil && n.FirstChild.Data == text && href == "" {
			for _, a := range n.Attr {
				if a.Key == "href" {
					href = a.Val
				}
			}
		}
	}
	return href
}

func TestTypesAreRefusedAsTheFeedIs(t *testing.T) {
	l, s := serve(t)
	for _, test := range []struct {
		path   string
		accept string
		status int
		says   string
	}{
		{"/feeds/g/types", "*/*", 404, "did you mean f?"},
		{"/feeds/f/types?after=%00", "*/*", 400, "must be those of an event"},
		{"/feeds/f/types?after=%ff", "*/*", 400, "must be those of an event"},
		{"/feeds/f/types?after=" + strings.Repeat("x", event.MaxAttribute+1), "*/*", 400, "must be those of an event"},
		{"/feeds/f/types?afer=x", "text/html", 400, "did you mean after?"},
		{"/feeds/f/types?utm_source=x", "*/*", 200, ""},
		{"/feeds/f/types?after=zzz", "*/*", 200, `"types":[],"more":false`},
		{"/feeds/f/types?after=zzz", "text/html", 200, "No more types"},
		{"/feeds/f/types?format=atom", "*/*", 404, "there is json, html"},
		{"/feeds/f/types", "image/png", 406, "application/json"},
	} {
		response, body := do(t, "GET", s.URL+test.path, "Accept", test.accept)
		if response.StatusCode != test.status || !strings.Contains(string(body), test.says) {
			t.Errorf("%s: %d %s, want %d and %q", test.path, response.StatusCode, body, test.status, test.says)
		}
	}
	if response, _ := do(t, "POST", s.URL+"/feeds/f/types"); response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", response.StatusCode)
	}
	closed := servertest.Serve(t, l, func(c *server.Config) { c.Grants = nobody{} })
	if response, _ := do(t, "GET", closed.URL+"/feeds/f/types"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", response.StatusCode)
	}
}

// nobody is a server's list of tokens that knows none.
type nobody struct{}

func (nobody) Grant(*http.Request) (access.Grant, error) {
	return access.Grant{}, errors.New("unknown")
}
func (nobody) Changed() <-chan struct{} { return nil }
