package html_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/storetest"
)

func shop(t *testing.T) *store.Log {
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	create := func(name, title string) {
		_, err := l.Create(t.Context(), store.Feed{Name: name, Title: title, PageSize: 60})
		storetest.Must(t, err)
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

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	if dir == "" {
		t.Skip()
	}
	l := shop(t)
	url := serve(t, l)
	f, _ := l.Feed(t.Context(), "orders")
	for name, path := range map[string]string{
		"list": "/", "feed": "/feeds/orders", "archive": "/feeds/orders/archive/" + f.Epoch() + "/2",
		"event": "/feeds/orders/events/0198c0de-0000-7000-8000-000000000123?source=%2Fshop", "error": "/feeds/x",
	} {
		for _, look := range []struct {
			name, scheme string
			width        int64
		}{{"light", "light", 1200}, {"phone", "light", 360}, {"dark", "dark", 1200}} {
			b := open(t, look.width)
			call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}}})
			b.do(chromedp.Navigate(url+path), chromedp.Sleep(300*time.Millisecond))
			png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
			storetest.Must(t, err)
			storetest.Must(t, os.WriteFile(filepath.Join(dir, name+"-"+look.name+".png"), png, 0o600))
			t.Log(name, look.name, len(png), eval[int](b, "document.documentElement.scrollWidth"))
			if name != "error" {
				b.clean()
			}
		}
	}
}
