//go:build unix

package proxies_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads the cache of newsboat

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// shown is an event as a client shows it.
type shown struct{ ID, Title, Content string }

// feedparser prints what feedparser reads at a URL as JSON.
const feedparser = `
import feedparser, json, sys
d = feedparser.parse(sys.argv[1])
if d.bozo:
    sys.exit("not well-formed: %r" % d.bozo_exception)
if d.status != 200:
    sys.exit("status %d" % d.status)
json.dump([{
    "ID": e.id, "Title": e.title,
    "Content": e.content[0].value if "content" in e else e.get("summary", ""),
} for e in d.entries], sys.stdout)
`

// troublesome returns events whose data is legal, and has broken readers.
func troublesome() []event.Event {
	texts := []string{
		`{"markup":"<script>alert(1)</script><b>bold</b> &amp; &lt;i&gt; ]]> <![CDATA[x]]>"}`,
		`{"umlauts":"äöüß ÄÖÜ – „quoted“ 日本語 🎉 e\u0301"}`,
		`{"quotes":"\"'","backslash":"\\","entity":"&#60;&nbsp;"}`,
		"{\n\t\"indented\":  [1,\n\t2]\n}",
		`"just a string"`, `0`, `null`,
		`{"long":"` + strings.Repeat("0123456789 äöü <&> ", 10_000) + `"}`,
	}
	var events []event.Event
	for i, text := range texts {
		events = append(events, event.Event{
			ID: fmt.Sprintf("n-%d <&> ü", i), Source: "/shop?a=1&b=%3C2%3E", Type: "Order & <b>more</b>", Subject: `"5" > 4 & ü`,
			Time: time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC), DataContentType: "application/json", Data: []byte(text),
		})
	}
	return events
}

// expected returns the events as a reader should show them, newest first. Ids of entries are those
// of the document itself.
func expected(t *testing.T, url string, events []event.Event) (all []shown) {
	t.Helper()
	var document struct {
		Entries []struct {
			ID string `xml:"http://www.w3.org/2005/Atom id"` // ce:id is another
		} `xml:"entry"`
	}
	must.OK(t, xml.Unmarshal(do(t, "GET", url, "Accept-Encoding", "identity").body, &document))
	if len(document.Entries) != len(events) {
		t.Fatalf("the document has %d entries, want %d", len(document.Entries), len(events))
	}
	for i, entry := range document.Entries {
		e := events[len(events)-1-i]
		all = append(all, shown{entry.ID, e.Type + " " + e.Subject, string(e.Data)})
	}
	return all
}

func compareShown(t *testing.T, got, want []shown) {
	t.Helper()
	byID := func(a, b shown) int { return strings.Compare(a.ID, b.ID) }
	got, want = slices.SortedFunc(slices.Values(got), byID), slices.SortedFunc(slices.Values(want), byID)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got) || i >= len(want):
			t.Fatalf("%d events shown, want %d", len(got), len(want))
		case got[i] != want[i]:
			t.Errorf("shown:  %.400q\nwant:   %.400q", got[i], want[i])
		}
	}
}

// readers are what real feed readers have of what is at a URL. Neither of these versions knows JSON Feed.
var readers = map[string]func(t *testing.T, url string) []shown{"feedparser": readByFeedparser, "newsboat": readByNewsboat}

func readByFeedparser(t *testing.T, url string) (all []shown) {
	t.Helper()
	out := run(t, need.Tool(t, "feedparser"), "-c", feedparser, url)
	must.OK(t, json.Unmarshal(out, &all))
	return all
}

// readByNewsboat lets newsboat fill a cache of its own and reads that.
func readByNewsboat(t *testing.T, url string) (all []shown) {
	t.Helper()
	folder := t.TempDir()
	path := func(name, content string) string {
		file := filepath.Join(folder, name)
		if content != "" {
			must.OK(t, os.WriteFile(file, []byte(content), 0o600))
		}
		return file
	}
	cache := path("cache.db", "")
	run(t, "env", "HOME="+folder, need.Tool(t, "newsboat"), "-C", path("config", "error-log "+path("errors", "")+"\n"),
		"-u", path("urls", url+"\n"), "-c", cache, "-x", "reload")
	db, err := sql.Open("sqlite", cache)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT guid, title, content FROM rss_item")
	must.OK(t, err)
	defer rows.Close()
	for rows.Next() {
		var s shown
		must.OK(t, rows.Scan(&s.ID, &s.Title, &s.Content))
		all = append(all, s)
	}
	must.OK(t, rows.Err())
	if said, err := os.ReadFile(path("errors", "")); err == nil && len(said) > 0 {
		t.Errorf("newsboat says: %s", said)
	}
	return all
}

// run returns what a command writes to standard output.
func run(t *testing.T, name string, arguments ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, arguments...).Output()
	if err != nil {
		if ended, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w\n%s%s", err, out, ended.Stderr)
		}
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func TestFeedReadersShowEveryEvent(t *testing.T) {
	t.Parallel()
	for name, read := range readers {
		for _, form := range []string{"", "?format=atom", "?format=rss"} {
			t.Run(name+form, func(t *testing.T) {
				t.Parallel()
				o := start(t)
				createFeed(t, o, "nasty")
				events := troublesome()
				storetest.Append(t, o.log, "nasty", events)
				storetest.Drain(t, o.log, "nasty")
				url := o.URL + "/feeds/nasty"
				want, got := expected(t, url, events), read(t, url+form)
				for i := range got {
					switch {
					case form == "?format=rss":
						got[i].Content = fromRSS(t, got[i].Content)
					case name == "newsboat": // keeps all texts as HTML
						got[i].Content = html.UnescapeString(got[i].Content)
					}
				}
				compareShown(t, got, want)
				asked := o.requests("/feeds/nasty" + form)
				if last := asked[len(asked)-1].request; !strings.Contains(last.Get("Accept-Encoding"), "gzip") {
					t.Errorf("%s does not ask for gzip: %v", name, last)
				}
			})
		}
	}
}

// fromRSS undoes what RSS demands: its texts are HTML.
func fromRSS(t *testing.T, content string) string {
	t.Helper()
	text, found := strings.CutPrefix(content, "<pre>")
	text, foundEnd := strings.CutSuffix(text, "</pre>")
	if !found || !foundEnd {
		t.Errorf("not as it was written: %.200q", content)
	}
	return html.UnescapeString(text)
}

// Through a proxy, and as more comes: 300 events in pages, of which a reader that only polls gets
// all, as long as it polls often enough.
func TestFeedReadersKeepUp(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		seen := map[string]map[string]bool{}
		for last := 250; last <= 300; last += 25 {
			if last > 250 {
				o.grow(t, last-24, last)
			}
			for name, read := range readers {
				if seen[name] == nil {
					seen[name] = map[string]bool{}
				}
				await(t, name, func() answer {
					for _, s := range read(t, proxy+"/feeds/f") {
						seen[name][s.Content] = true
					}
					return answer{}
				}, func(answer) bool { return seen[name][fmt.Sprintf(`{"n":%d}`, last)] })
			}
		}
		for name := range readers {
			for n := 201; n <= 300; n++ {
				if !seen[name][fmt.Sprintf(`{"n":%d}`, n)] {
					t.Errorf("%s missed event %d", name, n)
				}
			}
		}
	})
}
