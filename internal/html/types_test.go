package html_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
)

func TestPeopleSeeWhichTypesAFeedHas(t *testing.T) {
	t.Parallel()
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprint("script ", script), func(t *testing.T) {
			t.Parallel()
			url := mount(t, shop(t))
			for _, width := range []int64{1000, 360} {
				b := open(t, width)
				if !script {
					b.withoutScript()
				}
				b.do(chromedp.Navigate(url + "/feeds/orders"))
				b.see("up to position 200", "OrderPacked 50", "OrderPaid 50", "OrderPlaced 50", "OrderShipped 50")
				b.follow("Types", "Types of Orders of the web shop")
				b.see("The events up to position 200", "https://schemas.example/order/2.json")
				rows := eval[[]string](b, `Array.from(document.querySelectorAll("table.types tbody tr"), (row) =>
					Array.from(row.querySelectorAll("a"), (a) => a.textContent + " " + new URL(a.href).pathname + new URL(a.href).search).join(", "))`)
				want := []string{
					"OrderPacked /below/here/feeds/orders?type=OrderPacked, Event 2 /below/here/feeds/orders?position=2, Event 198 /below/here/feeds/orders?position=198",
					"OrderPaid /below/here/feeds/orders?type=OrderPaid, Event 1 /below/here/feeds/orders?position=1, Event 197 /below/here/feeds/orders?position=197",
					"OrderPlaced /below/here/feeds/orders?type=OrderPlaced, Event 4 /below/here/feeds/orders?position=4, Event 200 /below/here/feeds/orders?position=200",
					"OrderShipped /below/here/feeds/orders?type=OrderShipped, Event 3 /below/here/feeds/orders?position=3, Event 199 /below/here/feeds/orders?position=199",
				}
				if fmt.Sprint(rows) != fmt.Sprint(want) {
					t.Errorf("%d wide: %q\nwant %q", width, rows, want)
				}
				b.follow("OrderPaid", "Filter: OrderPaid · Orders of the web shop")
				b.do(chromedp.Navigate(url + "/feeds/orders/types"))
				b.follow("Event 198", "Orders of the web shop")
				if hash := eval[string](b, "location.hash"); hash != "#p198" {
					t.Errorf("%d wide: the position is at %q", width, hash)
				}
				b.do(chromedp.Navigate(url + "/feeds/orders/types"))
				b.follow("Orders of the web shop", "Orders of the web shop")
				b.clean()
			}
		})
	}
}

func TestNastyTypesStayOnTheirPage(t *testing.T) {
	t.Parallel()
	url := servertest.Serve(t, hostile(t)).URL
	b := open(t, 360)
	for _, path := range []string{"/feeds/f/types", "/feeds/f"} {
		b.do(chromedp.Navigate(url + path))
		for _, window := range []int64{980, 360} {
			b.do(chromedp.EmulateViewport(window, 800))
			if width := eval[int64](b, "document.documentElement.scrollWidth"); width > window || eval[bool](b, "window.ran === true") {
				t.Errorf("%s: is %d wide in a window of %d", path, width, window)
			}
		}
	}
	b.clean()
}
