package html_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// send fills in fields of a form, which are found by their labels, presses its button, and waits for
// the page with this title.
func (b *tab) send(button, title string, fields map[string]string) {
	b.t.Helper()
	for label, value := range fields {
		if !eval[bool](b, fmt.Sprintf(`(() => {
			const label = Array.from(document.querySelectorAll("label")).find((l) => l.firstChild.textContent.trim() === %q);
			const field = label && label.control;
			if (field) field.value = %q;
			return Boolean(field) && field.value === %q;
		})()`, label, value, value)) {
			b.t.Fatalf("no field %q that takes %q on\n%s", label, value, eval[string](b, "document.body.innerText"))
		}
	}
	press := fmt.Sprintf(`Array.from(document.querySelectorAll("button")).find((b) => b.textContent === %q).click()`, button)
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Evaluate[chromedp.Void](press)); err != nil {
		b.t.Fatalf("button %q: %v", button, err)
	}
	if got := eval[string](b, "document.title"); got != title {
		b.t.Fatalf("button %q leads to %q, want %q\n%s", button, got, title, eval[string](b, "document.body.innerText"))
	}
}

func TestPeopleFindWhatTheyLookFor(t *testing.T) {
	t.Parallel()
	l := shop(t)
	url := mount(t, l)
	f, err := l.Feed(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	today := f.Updated.Format("2 January 2006")
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprint("script ", script), func(t *testing.T) {
			t.Parallel()
			b := open(t, 1000)
			if !script {
				b.withoutScript()
			}
			const shop = " · Orders of the web shop"
			b.do(chromedp.Navigate(url + "/"))
			b.send("Find", "Find: nobody", map[string]string{"Find in all feeds": "nobody"})
			b.see("Nothing found", "Searched: orders, payments, stock")
			b.follow("payments", "Find: nobody · Payments, refunds and chargebacks")
			b.do(chromedp.Navigate(url + "/"))
			b.send("Find", "Find: 0198c0de-0000-7000-8000-000000000077"+shop, map[string]string{"Find in all feeds": "0198c0de-0000-7000-8000-000000000077"})
			b.see("Event at position 77: OrderPaid order/4019") // the only feed with a result
			b.do(chromedp.Navigate(url + "/"))
			b.follow("orders", "Orders of the web shop")
			b.send("Find", "Find: order/4010"+shop, map[string]string{"Find in this feed": "order/4010"})
			b.see("Found in Orders", "All 4 events of order/4010, newest first", "What else was searched", "KB-6", "OrderShipped")
			b.send("Find", "Find: 0198c0de-0000-7000-8000-000000000077"+shop, map[string]string{"Find in this feed": "0198c0de-0000-7000-8000-000000000077"})
			b.see("Event at position 77: OrderPaid order/4019", "What else was searched")
			if shown := eval[string](b, "document.body.innerText"); strings.Contains(shown, "No other match") || strings.Contains(shown, "Not found") {
				t.Errorf("a search that has found something reads like a failure:\n%s", shown)
			}
			eval[int](b, `document.querySelector(".searched").open = true; 0`)
			b.see("No other match: events of this subject")
			b.send("Find", "Find: 120"+shop, map[string]string{"Find in this feed": "120"})
			b.follow("Position 120 in the list", "Page 2 of 4, positions 71 to 120"+shop)
			b.send("Find", "Find: order/4010 on "+today+shop, map[string]string{"Find in this feed": "order/4010 on " + today})
			b.see("What changed for order/4010 on "+today+": ", "Events that happened or were recorded then, newest first.", "KB-3")
			b.send("Find", "Find: "+today+shop, map[string]string{"Find in this feed": today})
			b.see("First event recorded at or after that time: position 1", "Recorded then: position 1 to position 200")
			b.send("Find", "Find: nobody"+shop, map[string]string{"Find in this feed": "nobody"})
			b.see("Nothing found", "Not found: an event with this id", "Not searched: types, data and other attributes")
			b.send("Find", "Find: OrderPaid"+shop, map[string]string{"Find in this feed": "OrderPaid"})
			b.follow("Events of the type “OrderPaid”", "Filter: OrderPaid"+shop)
			b.do(chromedp.Navigate(url + "/feeds/orders?type=nobody"))
			b.see("No event matches")
			b.send("Filter", "Filter: OrderPaid, order/4010"+shop, map[string]string{"Type": "OrderPaid", "Subject": "order/4010"})
			b.see("KB-4", "positions 1 to 200")
			if rows := eval[int64](b, rowsShown); rows != 1 {
				t.Errorf("%d rows", rows)
			}
			b.follow("All events", "Orders of the web shop")
			b.send("Go", "Page 1 of 4, positions 11 to 60"+shop, map[string]string{"Page, 1 to 4": "1"})
			b.send("Go", "Page 1 of 4, positions 1 to 10"+shop, map[string]string{"or position": "7"})
			b.send("Go", "Page 1 of 4, positions 1 to 10"+shop, map[string]string{"or time, UTC": "2026-01-01"})
			b.clean()
		})
	}
}

func TestTheSearchIsReachedAndSentByKeyboard(t *testing.T) {
	t.Parallel()
	url := servertest.Serve(t, shop(t)).URL
	b := open(t, 360)
	b.do(chromedp.Navigate(url + "/feeds/orders"))
	for steps := 0; eval[string](b, "document.activeElement.id") != "q"; steps++ {
		if steps > 3 { // to the content, to the feeds, to the field
			t.Fatalf("the focus is on %s", eval[string](b, "document.activeElement.outerHTML"))
		}
		b.do(chromedp.KeyEvent("\t"))
		if outline := eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"); outline != "solid" {
			t.Errorf("the focus cannot be seen on %s", eval[string](b, "document.activeElement.outerHTML"))
		}
	}
	if _, err := chromedp.RunResponse(b.ctx, chromedp.KeyEvent("page 2\r")); err != nil {
		t.Fatal(err)
	}
	b.see("Found in Orders of the web shop", "Page 2 of 4")
	b.clean()
}

// A list is a page that one can read to its end.
func TestNoPageIsLongOnAPhone(t *testing.T) {
	t.Parallel()
	l := shop(t)
	url := servertest.Serve(t, l).URL
	b := open(t, 360)
	for _, path := range []string{
		"/feeds/orders", archivePath(t, l, "orders", 1), "/feeds/orders?type=OrderPaid", "/feeds/orders?q=order/4010", "/feeds/orders?before=190",
		feed.EventPath("orders", "/shop", "0198c0de-0000-7000-8000-000000000123"),
	} {
		b.do(chromedp.Navigate(url + path))
		if height := eval[int64](b, "document.documentElement.scrollHeight"); height > 9000 {
			t.Errorf("%s: %d pixels high", path, height)
		}
		if rows := eval[int64](b, rowsShown); rows > html.ShownRows {
			t.Errorf("%s: %d rows", path, rows)
		}
		if small := eval[[]string](b, `Array.from(document.querySelectorAll("button, input, select, summary, .pager a, td a, th a"))
			.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)`); len(small) > 0 {
			t.Errorf("%s: too small to touch (WCAG 2.2, 2.5.8): %.200q", path, small)
		}
	}
	b.clean()
}

func TestTheEventsPageCopiesItsData(t *testing.T) {
	t.Parallel()
	url := servertest.Serve(t, shop(t)).URL + feed.EventPath("orders", "/shop", "0198c0de-0000-7000-8000-000000000123")
	b := open(t, 1000)
	b.do(chromedp.Navigate(url))
	for _, insecure := range []bool{false, true} {
		if insecure { // a page that came without HTTPS has no clipboard
			b.do(chromedp.Evaluate[chromedp.Void](`Object.defineProperty(navigator, "clipboard", {value: undefined, configurable: true}); document.getElementById("copied").textContent = ""; void 0`))
		}
		b.do(chromedp.Click("#copy"))
		b.until(`document.getElementById("copied").textContent === "Copied"`)
	}
	b.clean()
	b = open(t, 1000)
	b.withoutScript()
	b.do(chromedp.Navigate(url))
	if eval[bool](b, `document.getElementById("copy").checkVisibility()`) {
		t.Error("there is a button that does nothing without JavaScript")
	}
	b.clean()
}

func TestTheEventsPageLeadsThroughItsEntity(t *testing.T) {
	t.Parallel()
	l := shop(t)
	storetest.GiveEntities(t, l, "orders")
	url := mount(t, l)
	b := open(t, 360)
	b.do(chromedp.Navigate(url + "/feeds/orders/events/0198c0de-0000-7000-8000-000000000041"))
	b.see("version 2 of 4", "In its history", "Changed against version 1")
	b.seeChanges("paid: from false → to true")
	b.follow("Next: version 3, position 42", "OrderPacked order/4010")
	b.follow("Previous: version 2, position 41", "OrderPaid order/4010")
	b.see("Atom entry", "CloudEvents JSON")
	b.clean()
}
