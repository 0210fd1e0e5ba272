package html_test

import (
	"fmt"
	"slices"
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

// timeline returns a log with a feed "orders" of two entities: o-1 with some days in May, and
// "order/long" with 130 events.
func timeline(t *testing.T) *store.Log {
	t.Helper()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	_, err := l.Create(t.Context(), store.Feed{Name: "orders", Title: "Orders of the web shop", Entities: true})
	must.OK(t, err)
	var events []event.Event
	add := func(kind, at, data string) {
		moment, err := time.Parse("2006-01-02 15:04", "2026-"+at)
		must.OK(t, err)
		e := event.Event{
			ID: fmt.Sprintf("0198c0de-0000-7000-8000-%012d", len(events)+1), Source: "/shop", Type: kind, Subject: "o-1",
			Time: moment, DataContentType: "application/json", Data: []byte(data),
		}
		if kind == "AddressChanged" {
			e.Extensions = map[string]string{"authid": "anna", "authtype": "user"}
		}
		events = append(events, e)
	}
	add("OrderPlaced", "05-01 09:12", `{"status":"placed","total":54.90,"address":"12 Rue des Lilas, Lyon","items":[{"sku":"KB-7","quantity":1}]}`)
	add("OrderPaid", "05-01 09:14", `{"status":"paid","total":54.90,"address":"12 Rue des Lilas, Lyon","items":[{"sku":"KB-7","quantity":1}]}`)
	add("AddressChanged", "05-03 08:30", `{"status":"paid","total":54.90,"address":"3 Quai Perrache, Lyon","items":[{"sku":"KB-7","quantity":1}]}`)
	add("ItemAdded", "05-03 08:41", `{"status":"paid","total":67.80,"address":"3 Quai Perrache, Lyon","items":[{"sku":"KB-7","quantity":1},{"sku":"MS-2","quantity":1}]}`)
	add("OrderPaid", "05-03 08:43", `{"status":"paid","total":67.80,"paid":67.80,"address":"3 Quai Perrache, Lyon","items":[{"sku":"KB-7","quantity":1},{"sku":"MS-2","quantity":1}]}`)
	add("OrderPacked", "05-04 15:02", `{"parcels":2,"weight":1.4}`)
	add("OrderShipped", "05-05 07:55", `{"parcels":2,"carrier":"Colissimo","weight":1.4}`)
	add("NoteAdded", "05-02 18:00", `{"note":"Customer called: deliver to the new address"}`)
	add("OrderDelivered", "05-07 11:20", `{"parcels":2,"carrier":"Colissimo","signed":"L. Martin"}`)
	storetest.Append(t, l, "orders", events)
	events = nil
	for n := 1; n <= 130; n++ {
		events = append(events, event.Event{
			ID: fmt.Sprint("long-", n), Source: "/shop", Type: "Counted", Subject: "order/long",
			Time: time.Date(2026, 1, n, 12, 0, 0, 0, time.UTC), DataContentType: "application/json", Data: fmt.Appendf(nil, `{"n":%d}`, n),
		})
	}
	storetest.Append(t, l, "orders", events)
	storetest.Drain(t, l, "orders")
	return l
}

// seeChanges checks that the page lists these changes, as a screen reader reads them.
func (b *tab) seeChanges(changes ...string) {
	b.t.Helper()
	shown := eval[[]string](b, `Array.from(document.querySelectorAll(".changes li")).map((li) => li.textContent)`)
	for _, change := range changes {
		if !slices.Contains(shown, change) {
			b.t.Errorf("the change %q is not among %q", change, shown)
		}
	}
}

func TestPeopleSeeWhatHappenedToAnEntityAndWhen(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprint("script ", script), func(t *testing.T) {
			t.Parallel()
			url := mount(t, timeline(t))
			b := open(t, 1000)
			if !script {
				b.withoutScript()
			}
			const o1, long = "History of o-1 · Orders of the web shop", "History of order/long · Orders of the web shop"
			b.do(chromedp.Navigate(url + "/feeds/orders/entities/o-1"))
			b.see("What happened, newest first", "Thursday, 7 May 2026", "OrderDelivered", "by anna (user)", "Saturday, 2 May 2026 dated back")
			b.seeChanges("carrier added: Colissimo", "address: from 12 Rue des Lilas, Lyon → to 3 Quai Perrache, Lyon", "total: from 54.90 → to 67.80")
			if days := eval[[]string](b, `Array.from(document.querySelectorAll("h3")).map((h) => h.firstChild.textContent)`); strings.Join(days, "; ") !=
				"Thursday, 7 May 2026; Saturday, 2 May 2026; Tuesday, 5 May 2026; Monday, 4 May 2026; Sunday, 3 May 2026; Friday, 1 May 2026" {
				t.Errorf("days: %q", days)
			}
			b.send("Go", o1, map[string]string{"Jump to a day, in UTC": "2026-05-03"})
			b.see("3 events on 3 May 2026, by the events’ own times")
			if first := eval[string](b, `document.querySelector("h3").firstChild.textContent`); first != "Sunday, 3 May 2026" {
				t.Errorf("the first day is %q", first)
			}
			if days := eval[int64](b, `document.querySelectorAll("h3").length`); days != 1 {
				t.Errorf("%d days", days)
			}
			b.follow("Earlier events", o1)
			b.see("Versions 1 to 2 of 9")
			b.send("Go", o1, map[string]string{"Jump to a day, in UTC": "2026-05-03"})
			b.follow("Newest events", o1)
			b.see("Versions 1 to 9 of 9")
			b.send("Go", o1, map[string]string{"Jump to a day, in UTC": "2026-05-06"})
			b.see("No event on 6 May 2026.", "Tuesday, 5 May 2026")
			b.follow("Newest events", o1)
			b.follow("ItemAdded", "ItemAdded o-1")
			b.do(chromedp.Navigate(url + "/feeds/orders/entities/o-1?date=3+May"))
			b.see("3 events on 3 May 2026", "No year was given: 2026 is assumed.")
			b.follow("Orders of the web shop", "Orders of the web shop")

			b.do(chromedp.Navigate(url + feed.EntityPath("orders", "order/long")))
			b.see("Versions 81 to 130 of 130")
			b.seeChanges("n: from 129 → to 130")
			b.follow("Earlier events", long)
			b.see("Versions 31 to 80 of 130")
			b.follow("Earlier events", long)
			b.see("Versions 1 to 30 of 130")
			b.follow("Later events", long)
			b.see("Versions 31 to 80 of 130")
			b.follow("First events", long)
			b.see("Versions 1 to 50 of 130")
			b.send("Go", long, map[string]string{"Jump to a day, in UTC": "2026-02-01"})
			b.see("1 event on 1 February 2026")
			b.seeChanges("n: from 31 → to 32")
			b.do(chromedp.Navigate(url + feed.EntityPath("orders", "order/long") + "&date=2025-01-01"))
			b.see("No event on 1 January 2025", "Versions 1 to 50 of 130")
			b.clean()
		})
	}
}

func TestTheTimelineIsShortOnAPhone(t *testing.T) {
	t.Parallel()
	url := servertest.Serve(t, timeline(t)).URL
	b := open(t, 360)
	for _, subject := range []string{"o-1", "order/long"} {
		b.do(chromedp.Navigate(url + feed.EntityPath("orders", subject)))
		if height := eval[int64](b, "document.documentElement.scrollHeight"); height > 12_000 {
			t.Errorf("%s: %d pixels high", subject, height)
		}
		if width := eval[int64](b, "document.documentElement.scrollWidth"); width > 360 {
			t.Errorf("%s: %d wide", subject, width)
		}
		if rows := eval[int64](b, `document.querySelectorAll("td.version").length`); rows > html.ShownRows {
			t.Errorf("%s: %d rows", subject, rows)
		}
		if small := eval[[]string](b, `Array.from(document.querySelectorAll("button, input, .pager a, td a, th a"))
			.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)`); len(small) > 0 {
			t.Errorf("%s: too small to touch (WCAG 2.2, 2.5.8): %.200q", subject, small)
		}
	}
	b.clean()
}
