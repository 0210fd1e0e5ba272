package html_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/overview"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

// operated is a server's state as its operations page shows it, at noon of a day. It began at nine.
type operated struct {
	live  overview.Live
	list  readers.List
	feeds []*feedstate.State
	known overview.Known
}

var noon = time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func newOperated() *operated {
	o := &operated{known: overview.Known{Answered: ago(3 * time.Second), Oldest: map[string]time.Duration{}}}
	o.live = overview.Live{
		Feeds:   func() []*feedstate.State { return o.feeds },
		CutOff:  func() (time.Duration, bool) { return 0, false },
		Known:   func() overview.Known { return o.known },
		Failing: func() (a, b map[string]string) { return nil, nil },
		Readers: &o.list, Progress: &readers.Progress{},
	}
	return o
}

// feed adds a feed with pages of 500 events, that has got a tenth of an event a second.
func (o *operated) feed(f store.Feed, stats store.FeedStats) {
	if f.Epochs == nil {
		f.Epochs = []feed.Epoch{{ID: "0b1e55ed", FirstPosition: 1}}
	}
	f.Published, f.Archives, f.Open.Number = f.Position, f.Position/500, f.Position/500+1
	stats.Name, stats.EpochStarted, stats.EpochReason = f.Name, ago(90*24*time.Hour), map[bool]string{true: "restored from a backup", false: "created"}[len(f.Epochs) > 1]
	for minute := int64(180); minute >= 0; minute-- {
		o.live.Progress.Note(f.Name, f.Epoch(), 1, max(0, f.Position-6*minute), ago(time.Duration(minute)*time.Minute))
	}
	o.feeds, o.known.Feeds = append(o.feeds, &feedstate.State{Feed: f}), append(o.known.Feeds, stats)
}

// visit notes a reader's visit at a time.
func (o *operated) visit(at time.Time, kind readers.Kind, feed, name, agent string) readers.Visit {
	o.list.SetTime(func() time.Time { return at })
	v := o.list.Visit(readers.Identity{Feed: feed, Kind: kind, Name: name}, agent)
	v.From(fmt.Sprint("10.1.7.", len(name)+5))
	return v
}

// serve serves the page until the end of the test.
func (o *operated) serve(t testing.TB, notReady error) (url string) {
	o.list.SetTime(func() time.Time { return noon })
	s := httptest.NewServer(operations.Overview(func() overview.Sources {
		return overview.Sources{Version: "1.4.0", Started: ago(3 * time.Hour), Profiles: true, Ready: func() error { return notReady }, Live: &o.live}
	}, func() time.Time { return noon }))
	t.Cleanup(s.Close)
	return s.URL
}

// busyShop is a server with something to do for everyone.
func busyShop(t testing.TB) (url string) {
	o := newOperated()
	o.feed(store.Feed{Name: "customers", Position: 12_480}, store.FeedStats{})
	o.feed(store.Feed{Name: "invoices", Held: true}, store.FeedStats{Pending: 312})
	o.known.Oldest["invoices"] = 2 * time.Hour
	o.feed(store.Feed{Name: "orders", Position: 1_204_331, Epochs: []feed.Epoch{{ID: "e1", FirstPosition: 1}, {ID: "e2", FirstPosition: 900_001}}}, store.FeedStats{Pending: 24})
	o.feed(store.Feed{Name: "stock", Position: 88_020}, store.FeedStats{
		Refused: 3, RefusedFirst: ago(100 * time.Minute), RefusedLast: ago(4 * time.Minute),
		RefusedReason: store.RefusedReason{Text: "an attribute holds a control character or a noncharacter", Rows: 2, First: 1},
	})
	o.known.Oldest["orders"] = 95 * time.Second
	o.live.Failing = func() (a, b map[string]string) {
		return map[string]string{"orders": "feed orders: another session has locked its row for 1m35s"}, nil
	}
	o.visit(ago(20*time.Second), readers.Token, "orders", "shipping", "eventfeed").Wait("e2", 1_204_331)
	billing := o.visit(ago(50*time.Minute), readers.Token, "orders", "billing", "eventfeed")
	billing.Wait("e2", 1_204_079)
	o.list.SetTime(func() time.Time { return ago(42 * time.Minute) })
	billing.Resume()
	billing.Answered(http.StatusOK)
	for second := 40; second >= 0; second -= 2 {
		o.visit(ago(time.Duration(second)*time.Second), readers.Token, "orders", "search-index", "eventfeed").Page("e2", int64(731-second), int64(365_500-second*500))
	}
	o.visit(ago(time.Minute), readers.Token, "orders", "warehouse", "eventfeed").OfOtherHistory()
	for second := 300; second > 0; second -= 30 {
		v := o.visit(ago(time.Duration(second)*time.Second), readers.Token, "stock", "mailing", "eventfeed")
		v.Ask()
		v.Continue("0b1e55ed", 87_990, 88_020)
	}
	o.visit(ago(4*time.Second), readers.Token, "customers", "shipping", "eventfeed").Wait("0b1e55ed", 12_480)
	o.visit(ago(3*time.Minute), readers.Token, "stock", "dashboard", "Miniflux/2.2.1 (+https://miniflux.app)").At("0b1e55ed", 88_010)
	return o.serve(t, nil)
}

// manyFeeds is a server with so many feeds and readers that they are on several pages.
func manyFeeds(t testing.TB) (url string) {
	o := newOperated()
	for n := range 120 {
		name := fmt.Sprintf("feed-%03d", n)
		o.feed(store.Feed{Name: name, Position: 10}, store.FeedStats{Refused: int64(n / 119)})
		o.visit(ago(time.Minute), readers.Address, name, "10.0.0.1", "eventfeed").At("0b1e55ed", 10)
	}
	return o.serve(t, nil)
}

// hostileOperated is a server whose readers have the types of nasty events as their names and programs,
// and whose errors are hostile, too.
func hostileOperated(events []event.Event) *operated {
	o := newOperated()
	o.feed(store.Feed{Name: "f", Position: 1000}, store.FeedStats{Pending: 1})
	errs := ""
	for i := range events {
		o.visit(ago(time.Hour), readers.Certificate, "f", events[i].Type, events[i].Subject).OfOtherHistory()
		o.visit(ago(time.Hour), readers.Address, "f", events[i].Type, events[i].Subject).At("0b1e55ed", 1)
		errs += events[i].Type
	}
	o.live.Failing = func() (a, b map[string]string) { return map[string]string{"f": errs}, map[string]string{"f": errs} }
	o.known.Err, o.known.Feeds[0].EpochReason = errors.New(errs), events[1].Type
	return o
}

// operationsPage renders the operations page of hostileOperated.
func operationsPage(t testing.TB, events []event.Event) []byte {
	t.Helper()
	o := hostileOperated(events)
	o.list.SetTime(func() time.Time { return noon })
	report := overview.Gather(overview.Sources{Ready: func() error { return errors.New(events[0].Type) }, Live: &o.live}, noon)
	view, err := overview.Select(report, overview.Query{Search: "f", Readers: 1}, overview.ShownRows)
	must.OK(t, err)
	page, err := html.Operations(view)
	must.OK(t, err)
	return page
}

// TestOperationsPage in a browser, with and without JavaScript, on a phone and on a desk, in light and
// dark.
func TestOperationsPage(t *testing.T) {
	t.Parallel()
	pages := map[string]string{"busy": busyShop(t), "many": manyFeeds(t), "hostile": hostileOperated(nasty(t)).serve(t, errors.New("<b>stopping</b>"))}
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprint("script ", script), func(t *testing.T) { t.Parallel(); useOperationsPage(t, pages, script) })
	}
	t.Run("hostile", func(t *testing.T) { t.Parallel(); checkHostileOperations(t, pages["hostile"]) })
	t.Run("accessible", func(t *testing.T) { t.Parallel(); checkOperationsAccessible(t, pages) })
	t.Run("screens", func(t *testing.T) { t.Parallel(); keepOperationsScreens(t, pages["busy"]) })
}

// useOperationsPage answers: who is behind and why, what is stuck, what do I type now.
func useOperationsPage(t *testing.T, pages map[string]string, script bool) {
	t.Helper()
	b := open(t, 1000)
	if !script {
		b.withoutScript()
	}
	b.do(chromedp.Navigate(pages["busy"]))
	b.see("Needs attention: 7", "Feed orders has 24 pending events, the oldest for 95 s, which readers do not get.", "another session has locked its row", "feedserver list",
		"Reader billing of feed orders is 252 events behind, and has sent no request for 42 min (before that it waited for new events without a break). Is it running?",
		"Next, on the consumer's host (its last request came from 10.1.7.12): seeder status --into URL shows what the consumer has applied. Replace URL with the --into of that seeder",
		"Reader warehouse of feed orders has events that the feed does not have",
		"Reader mailing of feed stock is 30 events behind, and has been stuck at position 87,990 for 5 min, although it sends requests.",
		"Feed stock lacks 3 rows that were refused, the first at 2026-05-03 10:20:00 UTC", "2 of them: an attribute holds a control character or a noncharacter.",
		"feedserver refused stock lists the rows with their numbers and reasons.", "feedserver refused stock --append 1 < row.json appends the corrected event",
		"Feed invoices is held, and 312 events wait, the oldest for at least 2 h 0 min.", "If its events shall be published now, on this host: feedserver open invoices",
		"4, 2 late", "catching up, reads page 731 of 2,408, 500/s", "A fetched position is not an applied one", "Readers behind a shared cache appear as that cache")
	b.follow("Feed orders", "Operations of feed orders")
	b.see("This feed has 24 pending events", "from position 900,001", "1,204,331", "2,408 of 2,408", "silent for 42 min", "40 min old", "up to date, waiting for new events")
	if shown := eval[string](b, "document.body.innerText"); strings.Contains(shown, "dashboard") || strings.Contains(shown, "invoices") {
		t.Errorf("a page of one feed shows others:\n%s", shown)
	}
	b.follow("Reload", "Operations of feed orders")
	b.follow("billing", "Operations of reader billing")
	b.see("Needs attention: 1", "10.1.7.12", "200 OK", "2026-05-03 11:18:00", "First request")
	b.follow("Operations", "Operations")
	b.follow("shipping", "Operations of reader shipping")
	b.see("Nothing needs attention of this reader", "customers", "orders")
	b.follow("Operations", "Operations")
	find(b, "ship")
	b.see("The tables show only readers with “ship” in their name, program or feed", "Needs attention: 7", "Feeds: 2 of 4", "Readers: 2 of 7", "shipping", "customers")
	if rows := eval[int](b, `document.querySelectorAll("table.readers tbody tr").length`); rows != 2 {
		t.Errorf("%d readers found", rows)
	}
	b.follow("Show all", "Operations")

	b.do(chromedp.Navigate(pages["many"]))
	b.see("feed-119", "Page 1 of 3")
	const rows = `document.querySelectorAll("table.operated tbody tr").length + document.querySelectorAll("table.readers tbody tr").length`
	if n := eval[int](b, rows); n != 100 {
		t.Errorf("%d rows", n)
	}
	b.follow("Next", "Operations")
	b.see("Page 2 of 3", "Page 1 of 3", "feed-060")
	find(b, "FEED-07")
	b.see("feed-077")
	b.clean()
}

// find types into the search box and sends it by keyboard.
func find(b *tab, text string) {
	b.t.Helper()
	b.do(chromedp.Focus("#q"), chromedp.KeyEvent(text))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent("\r")); err != nil {
		b.t.Fatal(err)
	}
}

func checkHostileOperations(t *testing.T, url string) {
	t.Helper()
	b := open(t, 360)
	for _, query := range []string{"", "?feed=f", "?readers=2", "?q=%3Cscript%3E"} {
		b.do(chromedp.Navigate(url + "/" + query))
		b.see("<script>" + marker)
		for _, window := range []int64{1100, 980, 360} {
			b.do(chromedp.EmulateViewport(window, 800))
			if width := eval[int64](b, "document.documentElement.scrollWidth"); width > window {
				t.Errorf("%s: is %d wide in a window of %d", query, width, window)
			}
		}
	}
	if eval[bool](b, "window.ran === true") {
		t.Error("a script in a name ran")
	}
	b.clean()
}

// A server that has not read its feeds yet has a page, too, whatever is asked for.
func TestOperationsPageOfAServerThatStarts(t *testing.T) {
	t.Parallel()
	handler := operations.Overview(func() overview.Sources {
		return overview.Sources{Ready: func() error { return errors.New("starting") }}
	}, nil)
	for _, query := range []string{"?format=html", "?format=html&feed=orders", "?format=text&q=x", "?format=json&readers=3"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+query, http.NoBody))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "This server does not serve yet.") {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// checkOperationsAccessible checks names of what assistive technology is told, contrast, and the keyboard.
func checkOperationsAccessible(t *testing.T, pages map[string]string) {
	t.Helper()
	b := open(t, 1000)
	for _, url := range []string{pages["busy"], pages["busy"] + "/?feed=orders", pages["many"] + "/?feeds=2"} {
		b.do(chromedp.Navigate(url))
		for _, look := range []struct {
			width  int64
			scheme string
		}{{1000, "light"}, {360, "dark"}} {
			b.do(chromedp.EmulateViewport(look.width, 800))
			b.scheme(look.scheme)
			if weak := eval[[]string](b, contrast); len(weak) > 0 {
				t.Errorf("%s, %s: %q", url, look.scheme, weak)
			}
			count := map[string]int{}
			for _, node := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
				if node.Ignored || node.Role == nil {
					continue
				}
				role := strings.Trim(string(node.Role.Value), `"`)
				count[role]++
				switch role {
				case "link", "heading", "table", "navigation", "columnheader", "rowheader", "region", "searchbox", "button":
					if accessibleName(node) == "" {
						t.Errorf("%s, %d wide: a %s without a name", url, look.width, role)
					}
				}
			}
			if count["table"] < 1 || count["columnheader"] < 5 || count["rowheader"] < 4 || count["heading"] < 3 || count["main"] != 1 {
				t.Errorf("%s, %d wide: %v", url, look.width, count)
			}
		}
	}
	b.do(chromedp.Navigate(pages["busy"]), chromedp.KeyEvent("\t"))
	if text := eval[string](b, "document.activeElement.textContent"); text != "Skip to content" {
		t.Errorf("the first stop is %q", text)
	}
	b.clean()
}

// keepOperationsScreens keeps the pictures of the documentation.
func keepOperationsScreens(t *testing.T, url string) {
	t.Helper()
	keepPictures(t, []picture{
		{"operations-desktop", url, "light", 1100, 1950}, {"operations-dark", url, "dark", 1100, 1950},
		{"operations-phone", url, "light", 360, 3400}, {"operations-phone-dark", url + "/?feed=orders", "dark", 360, 2600},
		{"operations-feed-desktop", url + "/?feed=orders", "light", 1100, 1200},
	}, func(*tab) {})
}
