package html_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// Subjects are UUIDs and the like, which leave little room for what stands beside them.
func TestTypesStayWholeAndARowBeginsOnOneLine(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	_, err := l.Create(t.Context(), store.Feed{Name: "f", PageSize: 60})
	must.OK(t, err)
	storetest.Append(t, l, "f", []event.Event{{
		ID: "1", Source: "/shop", Type: "OrderDelivered", Subject: fmt.Sprintf("%064x", 1),
		DataContentType: "application/json", Data: []byte(`{}`),
	}})
	storetest.Drain(t, l, "f")
	url := servertest.Serve(t, l).URL
	b := open(t, 1280)
	b.do(chromedp.Navigate(url + "/feeds/f"))
	for _, width := range []int64{1280, 1000, 360} {
		b.do(chromedp.EmulateViewport(width, 800))
		// The tops of the lines of text in a cell.
		eval[int](b, `tops = (name) => {
			const cell = document.querySelector("table.events ." + name + " :is(bdi, time)");
			const range = document.createRange();
			range.selectNode(cell.firstChild);
			return [...new Set([...range.getClientRects()].map((r) => Math.round(r.top)))];
		}; 0`)
		if lines := eval[[]int](b, `tops("type")`); len(lines) != 1 {
			t.Errorf("width %d: the type is broken into lines at %v", width, lines)
		}
		if subject, time := eval[[]int](b, `tops("subject")`), eval[[]int](b, `tops("time")`); len(subject) < 2 || width > 360 && time[0] > subject[0]+4 || width == 360 && time[0] <= subject[len(subject)-1] {
			t.Errorf("width %d: the subject has lines at %v, the time at %v, want it beside the first of several, on a phone below them", width, subject, time)
		}
	}
	b.clean()
}
