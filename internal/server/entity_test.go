package server_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// about returns events of one entity, numbered from first to last, one a minute.
func about(subject string, first, last int) (events []event.Event) {
	for n := first; n <= last; n++ {
		events = append(events, event.Event{
			ID: fmt.Sprintf("%s.%d", subject, n), Source: "/test", Type: "Counted", Subject: subject, DataContentType: "application/json",
			Time: time.Date(2026, 1, 1, 0, n, 0, 0, time.UTC), Data: fmt.Appendf(nil, `{"n":%d}`, n),
		})
	}
	return events
}

// serveEntities returns a server with a feed "f" of entities o-1 (1,020 events) and "a/b c" (3 events).
func serveEntities(t *testing.T) (*store.Log, *httptest.Server) {
	t.Helper()
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	storetest.Create(t, l, "plain", 10)
	storetest.Append(t, l, "f", about("o-1", 1, 1020))
	storetest.Append(t, l, "f", about("a/b c", 1, 3))
	storetest.Drain(t, l, "f")
	return l, servertest.Serve(t, l)
}

// atomEntity is what plain readers see of an entity's document.
type atomEntity struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Links   []struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Archive *struct{} `xml:"http://purl.org/syndication/history/1.0 archive"`
	Entries []struct {
		ID    string `xml:"id"`
		Event struct {
			Position int64 `xml:"position,attr"`
			Version  int64 `xml:"version,attr"`
		} `xml:"urn:uuid:1497358a-ded9-40c6-a34c-d49f5a669243 event"`
		Content string `xml:"content"`
	} `xml:"entry"`
}

func getEntity(t *testing.T, url string, header ...string) (d atomEntity, response *http.Response) {
	t.Helper()
	response, body := do(t, "GET", url, header...)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", url, response.Status, body)
	}
	if strings.Contains(string(body), "<ef:feed") || strings.Contains(string(body), "<ef:page") {
		t.Errorf("%s claims to be a feed of eventfeed's", url)
	}
	must.OK(t, xml.Unmarshal(body, &d))
	return d, response
}

func (d *atomEntity) link(t *testing.T, at, rel string) string {
	t.Helper()
	for _, l := range d.Links {
		if l.Rel == rel {
			base, err := url.Parse(at)
			must.OK(t, err)
			reference, err := base.Parse(l.Href)
			must.OK(t, err)
			return reference.String()
		}
	}
	return ""
}

// TestAnEntitysArchivesHoldItsWholeHistory: from its own URL, whatever form that has, the links of RFC
// 5005 lead through all versions and back.
func TestAnEntitysArchivesHoldItsWholeHistory(t *testing.T) {
	l, s := serveEntities(t)
	storetest.Append(t, l, "f", about("x/y", 1, 1001))
	storetest.Append(t, l, "f", about("archive", 1, 501))
	storetest.Drain(t, l, "f")
	for subject, want := range map[string]int64{"o-1": 1020, "a/b c": 3, "x/y": 1001, "archive": 501} {
		self := s.URL + feed.EntityPath("f", subject)
		newest, response := getEntity(t, self)
		if got := response.Header.Get("Cache-Control"); got != "public, no-cache" {
			t.Errorf("%s: %s", self, got)
		}
		if got := newest.link(t, self, "self"); got != self {
			t.Errorf("%s: self %s", self, got)
		}
		if newest.Archive != nil || newest.Title != subject+" in f" || newest.Entries[0].Event.Version != want || len(newest.Entries) != int(min(want, 50)) {
			t.Errorf("%s: %+.300v", self, newest)
		}
		seen, id := map[int64]string{}, newest.ID
		at, d := self, newest
		for {
			for _, e := range d.Entries {
				if other := seen[e.Event.Version]; other != "" && other != e.ID {
					t.Errorf("%s: version %d is two entries", at, e.Event.Version)
				}
				seen[e.Event.Version] = e.ID
				if want := fmt.Sprintf(`{"n":%d}`, e.Event.Version); e.Content != want {
					t.Errorf("%s: version %d is %s", at, e.Event.Version, e.Content)
				}
			}
			before := at
			if at = d.link(t, at, "prev-archive"); at == "" {
				break
			}
			isNewest := before == self
			d, response = getEntity(t, at)
			wantLife := map[bool]string{true: "public, no-cache", false: "public, max-age=60"}[isNewest]
			if got := response.Header.Get("Cache-Control"); got != wantLife {
				t.Errorf("%s: %s, want %s", at, got, wantLife)
			}
			next := d.link(t, at, "next-archive")
			if d.Archive == nil || d.ID != id || d.link(t, at, "self") != at || d.link(t, at, "current") != self || isNewest != (next == "") || !isNewest && next != before {
				t.Errorf("%s: %+v", at, d.Links)
			}
			for i := range d.Entries[1:] {
				if d.Entries[i+1].Event.Version != d.Entries[i].Event.Version+1 {
					t.Errorf("%s: not in order", at)
				}
			}
		}
		if int64(len(seen)) != want {
			t.Errorf("%s: %d versions of %d", self, len(seen), want)
		}
	}
}

func TestAnEntityHasAllForms(t *testing.T) {
	_, s := serveEntities(t)
	for _, subject := range []string{"o-1", "a/b c"} {
		self := s.URL + feed.EntityPath("f", subject)
		separator := map[bool]string{true: "&", false: "?"}[strings.Contains(self, "?")]
		newest := map[string]int64{"o-1": 1020, "a/b c": 3}[subject]
		for _, form := range []string{"atom", "rss", "json"} {
			_, body := do(t, "GET", self+separator+"format="+form)
			parsed, err := gofeed.NewParser().ParseString(string(body))
			must.OK(t, err)
			item := parsed.Items[0]
			if parsed.Title != subject+" in f" || item.Title != "Counted "+subject || !strings.Contains(item.Content+item.Description, fmt.Sprint(newest)) {
				t.Errorf("%s as %s: %q %+v", subject, form, parsed.Title, item)
			}
			if form != "atom" && parsed.Link != self {
				t.Errorf("%s as %s: link %s", subject, form, parsed.Link)
			}
		}
		response, body := do(t, "GET", self, "Accept", "application/cloudevents-batch+json")
		var events []map[string]any
		must.OK(t, json.Unmarshal(body, &events))
		if events[0]["efversion"] != fmt.Sprint(newest) || events[0]["subject"] != subject || events[len(events)-1]["efversion"] != fmt.Sprint(newest-int64(len(events))+1) {
			t.Errorf("%s: %v", subject, events[0])
		}
		if previous := linkOf(response, "prev-archive"); subject == "o-1" {
			base, err := url.Parse(self)
			must.OK(t, err)
			reference, err := base.Parse(previous)
			must.OK(t, err)
			if _, body := do(t, "GET", reference.String()); strings.Count(string(body), `"efversion"`) != 500 {
				t.Errorf("%s: %.100s", reference, body)
			}
		}
		if response, body := do(t, "GET", self, "Accept", "text/html"); response.StatusCode != 200 || !strings.Contains(string(body), "<table") {
			t.Errorf("%s as HTML: %s", subject, response.Status)
		}
	}
}

var linkHeader = regexp.MustCompile(`<([^>]*)>; rel="([^"]*)"`)

func linkOf(response *http.Response, rel string) string {
	for _, line := range response.Header.Values("Link") {
		if parts := linkHeader.FindStringSubmatch(line); len(parts) == 3 && parts[2] == rel {
			return parts[1]
		}
	}
	return ""
}

func TestAnEntityHasOneURL(t *testing.T) {
	_, s := serveEntities(t)
	follow := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]string{
		"?subject=o-1":              "o-1",
		"?subject=o-1&format=rss":   "o-1?format=rss",
		"o%2D1":                     "o-1",
		"o-1?subject=x":             "o-1",
		"a%2Fb%20c":                 "?subject=a%2Fb+c",
		"a/b%20c?format=json":       "../?subject=a%2Fb+c&format=json",
		"archive/e/500?subject=o-1": "../../o-1/archive/e/500",
		"a%2Fb%20c/archive/e/500":   "../../../archive/e/500?subject=a%2Fb+c",
		"?subject=%20o-1":           "",
		"o-1":                       "",
		"?subject=a%2Fb+c":          "",
		"?subject=a%2Fb%20c&utm_source=a+feed%20reader": "",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			request, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/feeds/f/entities/"+path, nil)
			must.OK(t, err)
			response, err := follow.Do(request)
			must.OK(t, err)
			_ = response.Body.Close()
			if got := response.Header.Get("Location"); got != want || want != "" && (response.StatusCode != 308 || response.Header.Get("Cache-Control") != "no-store") {
				t.Errorf("%s %s: %s %q, want %q", method, path, response.Status, got, want)
			}
		}
	}
}

func TestWhatIsNoEntitySaysSo(t *testing.T) {
	l, s := serveEntities(t)
	_, err := l.Create(t.Context(), store.Feed{Name: "held", Entities: true, Held: true})
	must.OK(t, err)
	storetest.Append(t, l, "held", about("o-1", 1, 1))
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	for path, want := range map[string]string{
		"plain/entities/o-1":                         "feedserver entities plain",
		"f/entities/o-2":                             `no events with the subject \"o-2\"`,
		"f/entities/?subject=a+b":                    `no events with the subject \"a b\"`,
		"f/entities/":                                "/feeds/f/entities/SUBJECT",
		"held/entities/o-1":                          "feedserver open held",
		"none/entities/o-1":                          "no such feed",
		"f/entities/o-1?format=pdf":                  "there is atom, html, rss, json, cloudevents",
		"f/entities/o-1/archive/x/500":               "no archive of this entity ends with version 500",
		"f/entities/o-1/archive/" + f.Epoch() + "/7": "it has 1020 versions",
		"f/entities/o-1/archive/" + f.Epoch() + "/x": "is not a version",
		"f/entities/o-2/archive/" + f.Epoch() + "/1": "it has 0 versions",
	} {
		response, body := do(t, "GET", s.URL+"/feeds/"+path)
		if response.StatusCode != http.StatusNotFound || !strings.Contains(string(body), want) || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s\n%s", path, response.Status, body)
		}
	}
}

// TestAnEntitysETagIsOfItsState: it changes with the entity and not with the feed, and answers 304
// without reading an event.
func TestAnEntitysETagIsOfItsState(t *testing.T) {
	l, s := serveEntities(t)
	path := s.URL + "/feeds/f/entities/o-1"
	tags := map[string]bool{}
	for _, form := range []string{"atom", "html", "rss", "json", "cloudevents"} {
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			response, _ := do(t, "GET", path+"?format="+form, "Accept-Encoding", coding)
			tag := response.Header.Get("Etag")
			if tags[tag] || !strings.HasPrefix(tag, `"1020-1020-`) || response.Header.Get("Last-Modified") != "" {
				t.Errorf("%s in %s: %s %s", form, coding, tag, response.Header.Get("Last-Modified"))
			}
			tags[tag] = true
			response, body := do(t, "GET", path+"?format="+form, "Accept-Encoding", coding, "If-None-Match", tag)
			if response.StatusCode != http.StatusNotModified || len(body) > 0 || response.Header.Get("Etag") != tag {
				t.Errorf("%s in %s: %s", form, coding, response.Status)
			}
		}
	}
	before, _ := do(t, "GET", path)
	storetest.Append(t, l, "f", about("o-2", 1, 1))
	storetest.Drain(t, l, "f")
	if response, _ := do(t, "GET", path, "If-None-Match", before.Header.Get("Etag")); response.StatusCode != http.StatusNotModified {
		t.Errorf("after an event of another entity: %s", response.Status)
	}
	storetest.Append(t, l, "f", about("o-1", 1021, 1021))
	storetest.Drain(t, l, "f")
	response, _ := do(t, "GET", path, "If-None-Match", before.Header.Get("Etag"))
	if tag := response.Header.Get("Etag"); response.StatusCode != http.StatusOK || !strings.HasPrefix(tag, `"1021-1025-`) {
		t.Errorf("after an event: %s %s", response.Status, tag)
	}
	if response, _ := do(t, "GET", path, "If-Match", before.Header.Get("Etag")); response.StatusCode != http.StatusPreconditionFailed {
		t.Errorf("If-Match of an earlier state: %s", response.Status)
	}
	if response, body := do(t, "HEAD", path); response.StatusCode != 200 || len(body) > 0 || response.ContentLength <= 0 {
		t.Errorf("HEAD: %s, %d bytes", response.Status, response.ContentLength)
	}
}

// TestAnEntityWaitsForWhatIsCommitted, up to two seconds.
func TestAnEntityWaitsForWhatIsCommitted(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	s := servertest.Run(t, l)
	storetest.Append(t, l, "f", about("o-1", 1, 2))
	if response, body := do(t, "GET", s.URL+"/feeds/f/entities/o-1"); response.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "no positions yet") {
		t.Errorf("without a sequencer: %s %s", response.Status, body)
	}
	storetest.Drain(t, l, "f")
	for n := 3; n < 12; n++ {
		storetest.Append(t, l, "f", about("o-1", n, n))
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(50 * time.Millisecond)
			if _, err := l.Sequence(t.Context(), "f", 10); err != nil {
				t.Error(err)
			}
		}()
		if d, _ := getEntity(t, s.URL+"/feeds/f/entities/o-1"); d.Entries[0].Event.Version != int64(n) {
			t.Errorf("version %d, want %d", d.Entries[0].Event.Version, n)
		}
		<-done
	}
}

func TestAnArchiveOfALostHistoryOfAnEntitySaysWhereItGoesOn(t *testing.T) {
	l, s := serveEntities(t)
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	old := f.Epoch()
	must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
	f, err = l.Feed(t.Context(), "f")
	must.OK(t, err)
	for path, want := range map[string][2]string{
		"o-1/archive/" + old + "/1000":             {"../" + f.Epoch() + "/1000", "../../../o-1"},
		"o-1/archive/" + old + "/1500":             {"", "../../../o-1"},
		"archive/" + old + "/500?subject=a%2Fb+c":  {"", "../../?subject=a%2Fb+c"},
		"o-1/archive/" + old + "/1000?format=json": {"../" + f.Epoch() + "/1000", "../../../o-1"},
		"nobody/archive/" + old + "/500":           {"", "../../../nobody"},
	} {
		response, body := do(t, "GET", s.URL+"/feeds/f/entities/"+path)
		if response.StatusCode != http.StatusGone || linkOf(response, "successor-version") != want[0] || linkOf(response, "current") != want[1] {
			t.Errorf("%s: %s %v\n%s", path, response.Status, response.Header.Values("Link"), body)
		}
	}
	for path, want := range map[string]int{"o-1/archive/" + old + "/500": 200, "o-1/archive/" + f.Epoch() + "/1000": 200, "o-1/archive/" + f.Epoch() + "/500": 410} {
		if response, body := do(t, "GET", s.URL+"/feeds/f/entities/"+path); response.StatusCode != want {
			t.Errorf("%s: %s\n%s", path, response.Status, body)
		}
	}
}

func TestTheTimelineRefusesWhatItDoesNotKnow(t *testing.T) {
	_, s := serveEntities(t)
	for query, want := range map[string]string{
		"":                          "",
		"before=51":                 "",
		"before=99999":              "",
		"date=2026-01-01":           "",
		"date=1+January":            "",
		"before=&date=":             "",
		"dat=2026-01-01":            "did you mean date?",
		"date=yesterday":            "date is a day",
		"before=1":                  "a number from 2 on",
		"before=x":                  "a number from 2 on",
		"before=7&date=2026-01-01":  "name one of them",
		"before=7&before=8":         "more than once",
		"format=html&utm_source=ad": "no parameter",
	} {
		response, body := do(t, "GET", s.URL+"/feeds/f/entities/o-1?"+query, "Accept", "text/html")
		status := map[bool]int{true: http.StatusOK, false: http.StatusBadRequest}[want == ""]
		if response.StatusCode != status || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s\n%.300s", query, response.Status, body)
		}
		if response, _ := do(t, "GET", s.URL+"/feeds/f/entities/o-1?format=atom&"+strings.ReplaceAll(query, "format=html", "")); response.StatusCode != http.StatusOK {
			t.Errorf("%s as Atom: %s", query, response.Status)
		}
	}
}

// growing is a log in which the pending event of an entity is published, and another one committed, after
// each read.
type growing struct {
	*store.Log
	t     *testing.T
	reads *atomic.Int64
}

func (g growing) ReadFeed(ctx context.Context, name string, read func(log store.Snapshot, f *store.Feed) error) error {
	next := int(g.reads.Add(1)) + 1
	err := g.Log.ReadFeed(ctx, name, read)
	storetest.Drain(g.t, g.Log, name)
	storetest.Append(g.t, g.Log, name, about("o-1", next, next))
	return err
}

// TestAnEntityDoesNotWaitForWhatComesLater: a reader of an entity to which others append all the time gets
// what was committed when it asked.
func TestAnEntityDoesNotWaitForWhatComesLater(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	storetest.Append(t, l, "f", about("o-1", 1, 1))
	g := growing{l, t, new(atomic.Int64)}
	s := servertest.Run(t, l, func(c *server.Config) { c.Log = g })
	d, _ := getEntity(t, s.URL+"/feeds/f/entities/o-1")
	if version, reads := d.Entries[0].Event.Version, g.reads.Load(); version != 1 || reads != 3 {
		t.Errorf("version %d after %d reads, want version 1, read twice, and then its events", version, reads)
	}
}
