package html_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/internal/html"
)

// exports are states of an export, by what a page shows of it.
func exports() map[string]*html.Export {
	now := time.Date(2026, 11, 30, 9, 30, 0, 0, time.UTC)
	upToDate := html.Export{
		Site: "s3://history/shop?endpoint=https://s3.example.org", Version: "1.0", Now: now, Paths: []string{"/healthz", "/readyz", "/metrics"},
		Feeds: []html.ExportFeed{
			{Name: "orders", Archives: 1122, Position: 561470, Head: 561470, Exported: now, Ago: "3s ago", Documents: 1123, Bytes: 257_000_000, Size: "257 MB"},
			{Name: "payments", Archives: 12, Position: 6021, Head: 6021, Exported: now, Ago: "3s ago", Documents: 40, Bytes: 2_600_000, Size: "2.6 MB"},
		},
	}
	away := upToDate
	away.Error, away.Since = "export feed orders: s3://history/shop at s3.example.org: feeds/orders.atom: <b>connection refused</b>", now.Add(-3*time.Minute)
	away.Feeds = []html.ExportFeed{upToDate.Feeds[0], upToDate.Feeds[1]}
	away.Feeds[0].Head, away.Feeds[0].BehindEvents, away.Feeds[0].Error = 561777, 307, away.Error
	return map[string]*html.Export{"": &upToDate, "away": &away, "new": {Site: "/srv/site", Version: "1.0", Now: now}}
}

func TestThePageOfAnExportFitsEachWindow(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, err := html.ExportPage(exports()[strings.Trim(r.URL.Path, "/")])
		if err != nil {
			t.Error(err)
		}
		html.SetHeaders(w.Header().Set)
		_, _ = w.Write(page)
	}))
	t.Cleanup(server.Close)
	b := open(t, 1100)
	for name, texts := range map[string][]string{
		"":     {"The site is up to date.", "561,470", "257 MB", "3s ago", "payments"},
		"away": {"The export has failed, and is tried again.", "<b>connection refused</b>", "307"},
		"new":  {"Nothing is exported yet.", "/srv/site"},
	} {
		b.do(chromedp.Navigate(server.URL + "/" + name))
		b.see(texts...)
		for _, window := range []int64{1100, 800, 360} {
			b.do(chromedp.EmulateViewport(window, 800))
			if width := eval[int64](b, "document.documentElement.scrollWidth"); width > window {
				t.Errorf("%q is %d wide in a window of %d", name, width, window)
			}
		}
		b.clean()
	}
	keepPictures(t, []picture{
		{"export", server.URL + "/", "light", 1100, 620}, {"export-phone", server.URL + "/away", "light", 360, 1120}, {"export-dark", server.URL + "/away", "dark", 1100, 760},
	}, func(*tab) {})
}
