package html_test

import (
	"fmt"
	neturl "net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func shop(t *testing.T) *store.Log {
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	create := func(name, title string) {
		_, err := l.Create(t.Context(), store.Feed{Name: name, Title: title, PageSize: 60})
		must.OK(t, err)
	}
	create("orders", "Orders of the web shop")
	create("payments", "Payments, refunds and chargebacks")
	create("stock", "")
	storetest.Append(t, l, "orders", orders(1, 200))
	storetest.Append(t, l, "payments", storetest.Events(1, 3))
	storetest.Drain(t, l, "orders")
	storetest.Drain(t, l, "payments")
	return l
}

func orders(first, last int) []event.Event {
	kinds := []string{"OrderPlaced", "OrderPaid", "OrderPacked", "OrderShipped"}
	var events []event.Event
	for n := first; n <= last; n++ {
		e := event.Event{
			ID: fmt.Sprintf("0198c0de-0000-7000-8000-%012d", n), Source: "/shop", Type: kinds[n%len(kinds)],
			Subject: fmt.Sprintf("order/%d", 4000+n/len(kinds)), Time: time.Date(2026, 3, 14, 9, n%60, 7*n%60, 0, time.UTC),
			DataContentType: "application/json", DataSchema: "https://schemas.example/order/2.json",
			Extensions: map[string]string{"traceparent": fmt.Sprintf("00-4bf92f3577b34da6a3ce929d0e0e%04x-00f067aa0ba902b7-01", n)},
			Data: fmt.Appendf(nil, `{"order":%d,"customer":{"name":"Zoë Ångström","city":"Kraków"},"items":[{"sku":"KB-%d","quantity":%d,"price":%d.90}],"total":%d.90,"paid":%t}`,
				4000+n/4, n%37, 1+n%3, 10+n%50, 10+n%50, n%4 == 1),
		}
		events = append(events, e)
	}
	return events
}

// hostile returns a log whose feed "f" holds the nasty events, some of them in
// archives.
func hostile(t *testing.T) *store.Log {
	t.Helper()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	_, err := l.Create(t.Context(), store.Feed{Name: "f", Title: `<script>` + marker + `</script>` + strings.Repeat("long", 60), PageSize: 40, Entities: true})
	must.OK(t, err)
	storetest.Append(t, l, "f", nasty(t))
	storetest.Drain(t, l, "f")
	return l
}

// archivePath is the path of an archive of a feed.
func archivePath(t *testing.T, l *store.Log, name string, number int64) string {
	t.Helper()
	f, err := l.Feed(t.Context(), name)
	must.OK(t, err)
	return feed.ArchivePath(name, feed.Page{Epoch: f.Epoch(), Number: number})
}

const rowsShown = `document.querySelectorAll("table.events tbody tr").length`

func TestPeopleGetFromTheListToEveryEvent(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprint("script ", script), func(t *testing.T) {
			t.Parallel()
			url := mount(t, shop(t))
			b := open(t, 1000)
			if !script {
				b.withoutScript()
			}
			b.do(chromedp.Navigate(url + "/"))
			b.follow("orders", "Orders of the web shop")
			b.see("Newest events", "200", "order/4050")
			if first := eval[float64](b, `document.querySelector("table.events tbody tr").getBoundingClientRect().top`); first > 620 {
				t.Errorf("the newest event is %v pixels below the top of the page", first)
			}
			eval[int](b, `document.querySelector(".about").open = true; 0`)
			b.see("seeder run --from", "Atom", "urn:uuid:")
			if !script {
				b.see("Reload to see new ones", "URL stands for this page")
			}
			if seen := eval[int64](b, rowsShown); seen != html.ShownRows {
				t.Errorf("%d events on the feed's page", seen)
			}
			const shop = " · Orders of the web shop"
			b.follow("Older events", "Page 3 of 4, positions 121 to 150"+shop)
			b.follow("Older", "Page 2 of 4, positions 71 to 120"+shop)
			b.follow("Older", "Page 2 of 4, positions 61 to 70"+shop)
			b.follow("Older", "Page 1 of 4, positions 11 to 60"+shop)
			b.follow("Older", "Page 1 of 4, positions 1 to 10"+shop)
			b.see("These are the oldest events", "1 to 10", "Page 1 of 4")
			b.follow("Newer", "Page 1 of 4, positions 11 to 60"+shop)
			b.follow("Newer", "Page 2 of 4, positions 61 to 110"+shop)
			b.follow("Event 101", "OrderPaid order/4025")
			b.see("0198c0de-0000-7000-8000-000000000101", `"sku": "KB-27"`, "Previous · 100", "when it happened", "when the feed got it")
			b.follow("Next · 102", "OrderPacked order/4025")
			b.follow("Show in the list", "Page 2 of 4, positions 71 to 120"+shop)
			if row := eval[string](b, `document.querySelector("tr:target th").textContent`); row != "Event 102" {
				t.Errorf("the row that is marked is %q", row)
			}
			b.follow("Orders of the web shop", "Orders of the web shop")
			b.follow("Oldest", "Page 1 of 4, positions 1 to 10"+shop)
			b.follow("Feeds", "Feeds")
			b.clean()
		})
	}
}

func TestNewEventsComeInByThemselves(t *testing.T) {
	t.Parallel()
	l := shop(t)
	url := mount(t, l)
	b := open(t, 1000)
	b.do(chromedp.Navigate(url + "/feeds/orders"))
	b.until(`document.getElementById("state").textContent === "Live"`)
	storetest.Append(t, l, "orders", orders(201, 203))
	storetest.Drain(t, l, "orders")
	b.until(`document.querySelector("table.events tbody tr th").textContent === "Event 203"`)
	b.until(`document.getElementById("news").textContent !== ""`)
	if newest := eval[string](b, `document.querySelector("table.events tbody tr th").textContent`); newest != "Event 203" {
		t.Errorf("the newest is %q", newest)
	}
	b.see("203")

	// As if they had been there from the beginning.
	b.sameAfterReload(50)
	b.clean()
}

// Everything that the script shows is what the server shows of the same event.
func TestNastyEventsComeInAsTheServerShowsThem(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 1000)
	url := servertest.Serve(t, l).URL
	b := open(t, 1000)
	b.do(chromedp.Navigate(url + "/feeds/f"))
	b.see("No events yet")
	events := nasty(t)
	for len(events) > 0 { // as many as are shown, one list after the other
		part := events[:min(len(events), html.ShownRows)]
		events = events[len(part):]
		storetest.Append(t, l, "f", part)
		storetest.Drain(t, l, "f")
		f, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		b.until(fmt.Sprintf(`document.querySelector("table.events tbody tr").id === "p%d"`, f.Published))
		b.sameAfterReload(min(len(part), 40)) // large ones leave fewer in the document
		b.until(`document.getElementById("state").textContent === "Live"`)
	}
	b.clean()
}

// sameAfterReload compares the rows that came in with those that the server
// sends, at least this many: some may be in an archive by then.
func (b *tab) sameAfterReload(least int) {
	b.t.Helper()
	const rows = `Array.from(document.querySelectorAll("table.events tbody tr"), (row) => {
		return JSON.stringify([row.id, ...Array.from(row.querySelectorAll("a"), (a) => [new URL(a.href).pathname, ...new URL(a.href).searchParams, a.rel]),
			...Array.from(row.querySelectorAll("time"), (time) => time.dateTime),
			...Array.from(row.querySelectorAll("*"), (e) => [e.tagName, e.className, e.scope, e.role, e.childElementCount ? "" : e.textContent])]);
	})`
	live := eval[[]string](b, rows)
	b.do(chromedp.Reload())
	served := eval[[]string](b, rows)
	if len(served) < least || len(served) > len(live) {
		b.t.Fatalf("%d rows came in, %d are served", len(live), len(served))
	}
	for i := range served {
		if live[i] != served[i] {
			b.t.Errorf("row %d\ncame in: %s\nserved:  %s", i, live[i], served[i])
		}
	}
}

func TestManyNewEventsAreOneSentenceAndNoMoreRowsThanCanBeRead(t *testing.T) {
	t.Parallel()
	l := shop(t)
	url := servertest.Serve(t, l).URL
	b := open(t, 1000)
	b.do(chromedp.Navigate(url + "/feeds/payments"))
	b.until(`document.getElementById("state").textContent === "Live"`)
	b.do(chromedp.Evaluate[chromedp.Void](`window.said = 0; new MutationObserver(() => said++).observe(document.getElementById("news"), {childList: true})`))
	storetest.Append(t, l, "payments", storetest.Events(4, 1480))
	storetest.Drain(t, l, "payments")
	for n := 1481; n <= 1500; n++ { // and then one after the other
		storetest.Append(t, l, "payments", storetest.Events(n, n))
		storetest.Drain(t, l, "payments")
		b.until(fmt.Sprintf(`document.querySelector("table.events tbody tr th").textContent === "Event %d"`, n))
	}
	b.until(`document.getElementById("news").textContent.includes("1500")`)
	if rows := eval[int64](b, rowsShown); rows != html.ShownRows {
		t.Errorf("%d rows", rows)
	}
	// One at once, and then one in five seconds.
	if said, most := eval[float64](b, "said"), eval[float64](b, "2 + performance.now() / 5000"); said > most {
		t.Errorf("%v announcements, want at most %v", said, most)
	}
	b.follow("Older events", "Page 25 of 26, positions 1,441 to 1,450 · Payments, refunds and chargebacks") // from where the rows end
	b.clean()
}

func TestNothingInAnEventRunsOrBreaksThePage(t *testing.T) {
	t.Parallel()
	l := hostile(t)
	url := servertest.Serve(t, l).URL
	paths := []string{"/", "/feeds/f", archivePath(t, l, "f", 1), archivePath(t, l, "f", 2), "/feeds/<script>"}
	for _, text := range []string{
		`<script>` + marker + `</script>`, `"><img src=x onerror=` + marker + `>`, `'><svg onload=` + marker + `>`, "\u202egnp.exe", `javascript:` + marker,
		strings.Repeat("W", 1000), `</option></select><script>` + marker + `</script>`,
	} {
		query := neturl.QueryEscape(text)
		paths = append(paths, "/feeds/f?q="+query, "/feeds/f?type="+query, "/feeds/f?subject="+query, "/feeds/f?time="+query, "/feeds/f?"+query+"=1")
	}
	for _, e := range nasty(t) {
		if e.Type != "HTML" && e.Type != "JSON" || strings.Contains(e.Source, "script") {
			paths = append(paths, feed.EventPath("f", e.Source, e.ID))
			if e.Subject != "" {
				paths = append(paths, feed.EntityPath("f", e.Subject))
			}
		}
	}
	b := open(t, 360)
	for _, path := range paths {
		b.do(chromedp.Navigate(url + path))
		if eval[bool](b, "window.ran === true") {
			t.Errorf("%.80s: ran", path)
		}
		for _, window := range []int64{980, 360} { // with a table, and without
			b.do(chromedp.EmulateViewport(window, 800))
			if width := eval[int64](b, "document.documentElement.scrollWidth"); width > window {
				t.Errorf("%.80s: is %d wide in a window of %d", path, width, window)
			}
		}
		if path == "/feeds/<script>" || strings.Contains(path, "?time=") || strings.HasSuffix(path, "=1") {
			b.forget() // that it was refused is in the log
		}
	}
	b.clean()
}

// Without this the tests above would pass if the browser told nothing.
func TestTheBrowserTellsWhatThePolicyForbids(t *testing.T) {
	t.Parallel()
	url := servertest.Serve(t, shop(t)).URL
	for _, wrong := range []string{
		`document.body.append(Object.assign(document.createElement("script"), {textContent: "1"}))`,
		`document.body.setAttribute("onclick", "1")`,
		`document.body.innerHTML = "<b>"`,
		`document.body.style = "color: red"; document.body.setAttribute("style", "color: red")`,
		`document.body.append(Object.assign(new Image(), {src: "http://127.0.0.1:1/"}))`,
		`setTimeout(() => alert(1))`,
		`setTimeout(() => { throw Error("x") })`,
	} {
		b := open(t, 1000)
		b.do(chromedp.Navigate(url + "/"))
		b.clean()
		b.do(chromedp.Evaluate[chromedp.Void]("try { " + wrong + " } catch {}; void 0"))
		deadline := time.Now().Add(patience)
		for !b.forget() {
			if time.Now().After(deadline) {
				t.Fatalf("nothing told of %s", wrong)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func TestPageFindsItsServerAgain(t *testing.T) {
	t.Parallel()
	l := shop(t)
	url, stop, start := restartable(t, l)
	b := open(t, 1000)
	b.do(chromedp.Navigate(url + "/feeds/payments"))
	b.until(`document.getElementById("state").textContent === "Live"`)
	stop()
	b.until(`document.getElementById("state").textContent.startsWith("Connection lost")`)
	storetest.Append(t, l, "payments", storetest.Events(4, 5))
	storetest.Drain(t, l, "payments")
	start()
	b.until(rowsShown + ` === 5 && document.getElementById("state").textContent === "Live"`)
}
