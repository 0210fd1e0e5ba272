package server_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// browse sends a request as a browser does, without following redirects. The page has no markup.
func browse(t *testing.T, address string) (response *http.Response, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	must.OK(t, err)
	request.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	response, err = http.DefaultTransport.RoundTrip(request)
	must.OK(t, err)
	defer func() { _ = response.Body.Close() }()
	return response, readAll(t, response)
}

var (
	tags = regexp.MustCompile(`(?s)<style>.*?</style>|<script>.*?</script>|<[^>]*>`)
	ids  = regexp.MustCompile(`<tr role="row" id="p([0-9]+)">`)
)

// plainText is what a page shows.
func plainText(page string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&lt;", "<", "&gt;", ">").Replace(tags.ReplaceAllString(page, " "))), " ")
}

// positionsIn returns the positions that a page lists: the first and the last one, and how many.
func positionsIn(page string) string {
	rows := ids.FindAllStringSubmatch(page, -1)
	if len(rows) == 0 {
		return ""
	}
	return fmt.Sprintf("%s to %s: %d", rows[0][1], rows[len(rows)-1][1], len(rows))
}

// follow returns the page that a redirect leads to, which must be one of the server's below its prefix.
func follow(t *testing.T, url string) (path, page string) {
	t.Helper()
	response, page := browse(t, url)
	for range 3 {
		if response.StatusCode != http.StatusSeeOther {
			break
		}
		if response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a redirect with %v", url, response.Header)
		}
		next, err := response.Location()
		must.OK(t, err)
		path = next.RequestURI()
		if next.Fragment != "" {
			path += "#" + next.Fragment
		}
		response, page = browse(t, next.String())
	}
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %s", url, response.StatusCode, plainText(page))
	}
	return path, page
}

func TestJumpsLeadToTheListThatHasTheRow(t *testing.T) {
	l, s := serve(t) // 250 events, 100 a page
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	archive := "/feeds/f/archive/" + f.Epoch() + "/"
	storetest.Append(t, l, "f", storetest.Events(251, 298))
	storetest.Drain(t, l, "f")
	for _, test := range []struct{ query, path, lists string }{
		{"page=1", archive + "1", "100 to 51: 50"},
		{"page=2", archive + "2", "200 to 151: 50"},
		{"page=3", "/feeds/f", "298 to 249: 50"},
		{"position=1", archive + "1?before=51#p1", "50 to 1: 50"},
		{"position=50", archive + "1?before=51#p50", "50 to 1: 50"},
		{"position=51", archive + "1#p51", "100 to 51: 50"},
		{"position=1%2C00", archive + "1#p100", "100 to 51: 50"},
		{"position=200", archive + "2#p200", "200 to 151: 50"},
		{"position=201", "/feeds/f?before=251#p201", "250 to 201: 50"},
		{"position=250", "/feeds/f?before=251#p250", "250 to 201: 50"},
		{"position=251", "/feeds/f#p251", "298 to 249: 50"},
		{"position=298", "/feeds/f#p298", "298 to 249: 50"},
		{"before=299", "/feeds/f", "298 to 249: 50"},
		{"before=298", "", "297 to 248: 50"},
		{"before=210", "", "209 to 201: 9"},
		{"before=202", "", "201 to 201: 1"},
		{"before=201", archive + "2", "200 to 151: 50"},
		{"before=200", archive + "2?before=200", "199 to 150: 50"},
		{"before=101", archive + "1", "100 to 51: 50"},
		{"before=2", archive + "1?before=2", "1 to 1: 1"},
		{"time=2026-01-01", archive + "1?before=51#p1", "50 to 1: 50"},
		{"page=2&type=&q=&before=", archive + "2", "200 to 151: 50"}, // as a form sends it
		{"page=2&format=html", archive + "2?format=html", "200 to 151: 50"},
	} {
		path, page := follow(t, s.URL+"/feeds/f?"+test.query)
		if path != test.path || positionsIn(page) != test.lists {
			t.Errorf("%s: %s lists %s, want %s and %s", test.query, path, positionsIn(page), test.path, test.lists)
		}
	}
}

func TestWrongQueriesSayWhatThereIs(t *testing.T) {
	l, s := serve(t)
	storetest.Create(t, l, "empty", 0)
	for _, test := range []struct {
		path   string
		status int
		says   string
	}{
		{"/feeds/f?page=4", 404, "there is no page 4: feed f has pages 1 to 3"},
		{"/feeds/f?page=0", 400, `page is "0", which is not one of the numbers 1, 2, 3`},
		{"/feeds/f?page=-1", 400, `page is "-1"`},
		{"/feeds/f?page=two", 400, `page is "two"`},
		{"/feeds/f?page=99999999999999999999", 404, "feed f has pages 1 to 3"},
		{"/feeds/f?position=251", 404, "there is no position 251: feed f has positions 1 to 250"},
		{"/feeds/empty?position=1", 404, "feed empty has no events yet"},
		{"/feeds/f?before=1", 404, "feed f has positions 1 to 250"},
		{"/feeds/f?before=5000", 404, "feed f has positions 1 to 250"},
		{"/feeds/f?time=2999-01-01", 404, "no event was recorded at or after 1 January 2999: the newest event of feed f was recorded at 20"},
		{"/feeds/empty?time=2026-01-01", 404, "feed empty has no events yet"},
		{"/feeds/f?time=soon", 400, `time is "soon", which is not a date or a time; write 2026-05-03`},
		{"/feeds/f?page=1&position=2", 400, "fill in one of"},
		{"/feeds/f?q=1&type=T", 400, "fill in one of"},
		{"/feeds/f?q=1&before=7", 400, "fill in one of"},
		{"/feeds/f?q=%00", 400, "not text in UTF-8"},
		{"/feeds/f?subject=%FF", 400, "not text in UTF-8"},
		{"/feeds/f?type=" + strings.Repeat("x", 2000), 400, "type has 2000 bytes"},
		{"/feeds/nothing?q=1", 404, "no such feed"},
	} {
		response, page := browse(t, s.URL+test.path)
		if response.StatusCode != test.status || !strings.Contains(plainText(page), test.says) || essence(response) != "text/html" {
			t.Errorf("%.80s: %d %s, want %d and %q", test.path, response.StatusCode, plainText(page), test.status, test.says)
		}
	}
	for query, says := range map[string]string{"before=1": "it has positions 1 to 100", "before=151": "it has positions 1 to 100", "before=x": "not one of the numbers"} {
		if response, page := browse(t, archiveURL(t, l, s, 1)+"?"+query); response.StatusCode/100 != 4 || !strings.Contains(plainText(page), says) {
			t.Errorf("archive, %s: %d %s", query, response.StatusCode, plainText(page))
		}
	}
}

// Whoever goes back by "Older", and forth by "Newer", sees each event, in order.
func TestOlderAndNewerReachEveryEvent(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 130)
	storetest.Append(t, l, "f", storetest.Events(1, 200))
	storetest.Drain(t, l, "f")
	must.OK(t, l.NewEpoch(t.Context(), "f", "a page ends early"))
	storetest.Append(t, l, "f", storetest.Events(201, 480))
	storetest.Drain(t, l, "f")
	s := servertest.Serve(t, l)
	link := func(page, rel string) string {
		found := regexp.MustCompile(` hidden><ul><li><a rel="` + rel + `"`).FindString(page)
		reference := regexp.MustCompile(`<a rel="` + rel + `" href="([^"]*)"`).FindStringSubmatch(page)
		if reference == nil || found != "" {
			return ""
		}
		return strings.ReplaceAll(reference[1], "&amp;", "&")
	}
	seen, at := 481, s.URL+"/feeds/f"
	for steps := 0; at != ""; steps++ {
		response, page := browse(t, at)
		for response.StatusCode == http.StatusSeeOther {
			next, err := response.Location()
			must.OK(t, err)
			at = next.String()
			response, page = browse(t, at)
		}
		rows := ids.FindAllStringSubmatch(page, -1)
		if len(rows) == 0 || len(rows) > 50 || steps > 20 {
			t.Fatalf("%s, step %d: %d rows", at, steps, len(rows))
		}
		for _, row := range rows {
			if want := fmt.Sprint(seen - 1); row[1] != want {
				t.Fatalf("%s lists position %s after %d", at, row[1], seen)
			}
			seen--
		}
		at = resolve(t, at, link(page, "prev"))
	}
	if seen != 1 {
		t.Fatalf("the oldest position is %d", seen)
	}
	seen, at = 0, s.URL+"/feeds/f?position=1"
	for steps := 0; seen < 480; steps++ {
		path, page := follow(t, at)
		if path != "" {
			at = s.URL + path
		}
		var newest, oldest, rows int
		_, err := fmt.Sscanf(positionsIn(page), "%d to %d: %d", &newest, &oldest, &rows)
		must.OK(t, err)
		if newest <= seen || oldest > seen+1 || newest-oldest+1 != rows || steps > 20 {
			t.Fatalf("%s lists %d to %d after %d", at, newest, oldest, seen)
		}
		seen, at = newest, resolve(t, at, link(page, "next"))
	}
}

func TestPagesOfAnArchiveShowHowManyThereAre(t *testing.T) {
	l, s := serve(t)
	url := archiveURL(t, l, s, 1)
	before, page := do(t, "GET", url, "Accept", "text/html")
	if !strings.Contains(plainText(string(page)), "Page 1 of 3") || before.Header.Get("Cache-Control") != "public, max-age=1" || before.Header.Get("Last-Modified") != "" {
		t.Errorf("%v %s", before.Header, plainText(string(page)))
	}
	part, _ := do(t, "GET", url+"?before=51", "Accept", "text/html")
	if part.Header.Get("ETag") == before.Header.Get("ETag") {
		t.Error("two parts have the same ETag")
	}
	atom, _ := do(t, "GET", url)
	storetest.Append(t, l, "f", storetest.Events(251, 300))
	storetest.Drain(t, l, "f")
	after, page := do(t, "GET", url, "Accept", "text/html", "If-None-Match", before.Header.Get("ETag"))
	if after.StatusCode != 200 || !strings.Contains(plainText(string(page)), "Page 1 of 4") {
		t.Errorf("after another archive: %d %s", after.StatusCode, plainText(string(page)))
	}
	if again, _ := do(t, "GET", url, "Accept", "text/html", "If-None-Match", after.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("unchanged: %d", again.StatusCode)
	}
	if again, _ := do(t, "GET", url+"?before=51", "If-None-Match", atom.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("the Atom document, which has no parts: %d", again.StatusCode)
	}
}

// searchable serves a feed with 300 events of 7 subjects and two types.
func searchable(t *testing.T, entities bool) (*store.Log, *httptest.Server) {
	t.Helper()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	_, err := l.Create(t.Context(), store.Feed{Name: "f", PageSize: 100, Entities: entities})
	must.OK(t, err)
	events := storetest.Events(1, 300)
	for i := range events {
		events[i].Type = []string{"Odd", "Even"}[i%2]
		events[i].Subject = fmt.Sprint("o-", (i+1)%7)
	}
	events[8].ID = "2026-01-02" // a date as an id
	events[9].ID, events[9].Source = "11", "/other"
	storetest.Append(t, l, "f", events)
	storetest.Drain(t, l, "f")
	return l, servertest.Serve(t, l)
}

func TestFilterListsTheNewestThatMatch(t *testing.T) {
	t.Parallel()
	for _, entities := range []bool{false, true} {
		_, s := searchable(t, entities)
		for _, test := range []struct{ query, lists, says string }{
			{"type=Even", "300 to 202: 50", "positions 202 to 300"},
			{"type=Even&before=202", "200 to 102: 50", "positions 102 to 201"},
			{"type=Even&before=4", "2 to 2: 1", "positions 1 to 3"},
			{"type=Even&before=2", "", "No event matches"},
			{"type=even", "", "No event matches"},
			{"subject=o-1&before=20", "15 to 1: 3", "positions 1 to 19"},
			{"subject=o-1&type=Odd&before=20", "15 to 1: 2", "positions 1 to 19"},
			{"subject=nobody", "", "No event matches"},
			{"subject=%27%20OR%20true", "", "No event matches"},
			{"type=Even&before=1", "", "there are no older events"},
		} {
			response, page := browse(t, s.URL+"/feeds/f?"+test.query)
			if response.StatusCode != 200 || positionsIn(page) != test.lists || !strings.Contains(plainText(page), test.says) {
				t.Errorf("entities %v, %s: %d lists %s, want %s and %q\n%s", entities, test.query, response.StatusCode, positionsIn(page), test.lists, test.says, plainText(page))
			}
			if response.Header.Get("Cache-Control") != "public, max-age=1" || !strings.Contains(page, `<meta name="robots" content="noindex, nofollow">`) {
				t.Errorf("%s: %v", test.query, response.Header)
			}
			linked := strings.Contains(page, feed.EntityPath("f", "o-1")[1:])
			if want := entities && (strings.Contains(test.query, "o-1") || strings.Contains(test.query, "type=Even")) && test.lists != "" && !strings.Contains(test.query, "before=4"); linked != want {
				t.Errorf("entities %v, %s: links to the entity: %v", entities, test.query, linked)
			}
		}
	}
}

func TestFilterSearchesAStretchAndSaysSo(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 5000)
	events := storetest.Events(1, store.MaxSearched+20)
	events[0].Type = "Rare"
	storetest.Append(t, l, "f", events)
	storetest.Drain(t, l, "f")
	s := servertest.Serve(t, l)
	_, page := browse(t, s.URL+"/feeds/f?type=Rare")
	if text := plainText(page); !strings.Contains(text, "positions 21 to 10,020") || !strings.Contains(text, "Older ones may") {
		t.Errorf("the newest stretch: %s", text)
	}
	older := regexp.MustCompile(`<a rel="prev" href="([^"]*)"`).FindStringSubmatch(page)
	_, page = browse(t, resolve(t, s.URL+"/feeds/f", strings.ReplaceAll(older[1], "&amp;", "&")))
	if positionsIn(page) != "1 to 1: 1" || strings.Contains(page, `rel="prev"`) {
		t.Errorf("the older stretch: %s", plainText(page))
	}
	_, page = browse(t, s.URL+"/feeds/f?q=1")
	if text := plainText(page); !strings.Contains(text, "Searched for the subject: positions") {
		t.Errorf("search: %s", text)
	}
}

func TestSearchTellsAllThatATextCanBe(t *testing.T) {
	t.Parallel()
	year := time.Now().UTC().Format("2006") // of recorded times
	for _, entities := range []bool{false, true} {
		_, s := searchable(t, entities)
		for _, test := range []struct {
			query, lists string
			says         []string
		}{
			{"11", "", []string{"Event at position 10 : Even o-3", "Event at position 11 : Odd o-4", "Position 11 : Odd o-4", "No other match: events of this subject"}},
			{" #300 ", "", []string{"No other match: an event with this id", "Position 300 : Even o-6"}},
			{"position 88,123", "", []string{"Nothing found", "this position (the feed has positions 1 to 300"}},
			{"page 2", "", []string{"Page 2 of 4"}},
			{"page 9", "", []string{"Nothing found", "page 9 (the feed has pages 1 to 4"}},
			{"o-1", "295 to 1: 43", []string{"All 43 events of o-1", "No other match: an event with this id. Not searched"}},
			{"Odd", "", []string{"Nothing found", "Events of the type “ Odd ”"}},
			{"2026-01-02", "", []string{"Event at position 9 : Odd o-2", "a time: 2 January 2026", "First event recorded at or after that time: position 1"}},
			{"1 January 2999", "", []string{"Nothing found", "an event recorded at or after 1 January 2999 (the newest was recorded at " + year}},
			{"o-1 2001-05-03", "", []string{"on 3 May 2001"}},
			{"o-1 1 January 2026", "295 to 1: 43", []string{"What changed for o-1 on 1 January 2026: 43 events"}}, // by their own time
			{"nothing at all", "", []string{"Nothing found", "Not found: an event with this id; events of this subject", "Not searched: types, data and other attributes."}},
			{strings.Repeat("é", 500), "", []string{"Nothing found"}},
		} {
			response, page := browse(t, s.URL+"/feeds/f?"+urlQuery("q", test.query))
			if response.StatusCode != 200 || listsIn(page, entities) != test.lists || strings.Contains(page, "?type=") != (test.query == "Odd") {
				t.Errorf("entities %v, %.40s: %d lists %s, want %s\n%s", entities, test.query, response.StatusCode, listsIn(page, entities), test.lists, plainText(page))
			}
			for _, says := range test.says {
				if !strings.Contains(plainText(page), says) {
					t.Errorf("entities %v, %.40s: does not say %q\n%s", entities, test.query, says, plainText(page))
				}
			}
		}
	}
}

// versionLinks are the rows of a timeline by the ids of their events, which are the positions here.
var versionLinks = regexp.MustCompile(`class="type"><a href="[^"]*/events/([0-9]+)\?`)

// listsIn is positionsIn for a page whose events are in a timeline if the feed has entities.
func listsIn(page string, entities bool) string {
	if !entities {
		return positionsIn(page)
	}
	return positionsIn(versionLinks.ReplaceAllString(page, `<tr role="row" id="p$1">`))
}

func TestSearchOfASubjectAndADayFindsItsEventsThen(t *testing.T) {
	t.Parallel()
	for _, entities := range []bool{false, true} {
		l, s := searchable(t, entities)
		f, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		for _, day := range []string{f.Updated.Format("2006-01-02"), f.Updated.Format("2 January 2006"), f.Updated.Format("2 Jan")} {
			for _, query := range []string{"o-1 " + day, "o-1 on " + day, day + " o-1", "o-1, " + day} {
				_, page := browse(t, s.URL+"/feeds/f?"+urlQuery("q", query))
				if listsIn(page, entities) != "295 to 1: 43" || !strings.Contains(plainText(page), "What changed for o-1 on "+f.Updated.Format("2 January 2006")+": 43 events") {
					t.Errorf("entities %v, %s: lists %s\n%s", entities, query, positionsIn(page), plainText(page))
				}
			}
		}
	}
}

func TestEventPageLeadsToItsNeighbours(t *testing.T) {
	t.Parallel()
	for _, entities := range []bool{false, true} {
		_, s := searchable(t, entities)
		_, page := browse(t, s.URL+"/feeds/f/events/29") // o-1: 1, 8, 15, 22, 29, …
		text := plainText(page)
		for _, says := range []string{"Previous · 28", "Next · 30", "Show in the list", "Also as Atom entry CloudEvents JSON"} {
			if !strings.Contains(text, says) {
				t.Errorf("does not say %q\n%s", says, text)
			}
		}
		for _, says := range []string{"version 5 of 43", "Previous: version 4 , position 22", "Next: version 6 , position 36", "History of o-1"} {
			if strings.Contains(text, says) != entities {
				t.Errorf("entities %v: %q\n%s", entities, says, text)
			}
		}
		want := `href="../../../feeds/f?subject=o-1"`
		if entities {
			want = `href="../../../feeds/f/entities/o-1"`
		}
		if !strings.Contains(page, want) {
			t.Errorf("entities %v: no link %s\n%s", entities, want, page)
		}
		_, page = browse(t, s.URL+"/feeds/f/events/1")
		if text := plainText(page); strings.Contains(text, "Previous") {
			t.Errorf("the first event: %s", text)
		}
		_, page = browse(t, s.URL+"/feeds/f/events/300")
		if text := plainText(page); strings.Contains(text, "Next ·") {
			t.Errorf("the last event: %s", text)
		}
	}
}

func readAll(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	return string(body)
}

// resolve returns what a reference on a page leads to; "" for none.
func resolve(t *testing.T, page, reference string) string {
	t.Helper()
	if reference == "" {
		return ""
	}
	base, err := url.Parse(page)
	must.OK(t, err)
	target, err := base.Parse(reference)
	must.OK(t, err)
	return target.String()
}

func urlQuery(name, value string) string { return url.Values{name: {value}}.Encode() }
