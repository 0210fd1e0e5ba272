package html_test

import (
	"net/http"
	neturl "net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// kindNames are the kinds of pages of a server.
var kindNames = []string{"list", "feed", "part", "found", "nothing", "filtered", "types", "archive", "event", "entity", "error"}

// kinds returns a page of each kind of a shop's server.
func kinds(t *testing.T) (pages map[string]string) {
	t.Helper()
	l := shop(t)
	storetest.GiveEntities(t, l, "orders")
	base := &neturl.URL{Scheme: "https", Host: "events.example"}
	url := servertest.Serve(t, l, func(c *server.Config) { c.Origin.Base = base }).URL
	entity := servertest.Serve(t, timeline(t)).URL + feed.EntityPath("orders", "o-1")
	return map[string]string{
		"list": url + "/", "feed": url + "/feeds/orders", "part": url + "/feeds/orders?before=195", "found": url + "/feeds/orders?q=order/4010+14+March",
		"nothing": url + "/feeds/orders?q=nobody", "filtered": url + "/feeds/orders?type=OrderPaid&subject=order/4010", "types": url + "/feeds/orders/types", "archive": url + archivePath(t, l, "orders", 2),
		"event": url + feed.EventPath("orders", "/shop", "0198c0de-0000-7000-8000-000000000123"), "error": url + "/feeds/nothing", "entity": entity,
	}
}

func TestEveryPageIsSentWithItsPolicy(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	html.SetHeaders(func(name, value string) { want[name] = value })
	for name, url := range kinds(t) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		must.OK(t, err)
		request.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
		response, err := http.DefaultClient.Do(request)
		must.OK(t, err)
		_ = response.Body.Close()
		for field, value := range want {
			if got := response.Header.Get(field); got != value {
				t.Errorf("%s: %s is %q, want %q", name, field, got, value)
			}
		}
	}
}

// What assistive technology is told, as the browser computes it, on a desk and on a phone, where a row is no
// longer laid out as one. WCAG 2.2, 1.4.3: 4.5 to 1 between all text and what is behind it, in both schemes, and
// 1.4.11: 3 to 1 for the outline of what has the focus. One visit of a page is for all of this.
func TestScreenReadersFindTheirWayAndTextStandsOut(t *testing.T) {
	t.Parallel()
	pages := kinds(t)
	b := open(t, 1000)
	for _, name := range kindNames {
		b.do(chromedp.EmulateViewport(1000, 800), chromedp.Navigate(pages[name]))
		b.checkRoles(name + ", on a desk")
		for _, scheme := range []string{"dark", "light"} {
			b.scheme(scheme)
			if weak := eval[[]string](b, contrast); len(weak) > 0 {
				t.Errorf("%s, %s: %q", name, scheme, weak)
			}
		}
		b.do(chromedp.EmulateViewport(360, 800))
		b.checkRoles(name + ", on a phone")
	}
}

// checkRoles checks what assistive technology is told of a page of a kind.
func (b *tab) checkRoles(name string) {
	b.t.Helper()
	roles := map[string][]string{}
	for _, node := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if !node.Ignored && node.Role != nil {
			role := strings.Trim(string(node.Role.Value), `"`)
			roles[role] = append(roles[role], accessibleName(node))
		}
	}
	for _, role := range []string{"link", "heading", "table", "navigation", "columnheader", "rowheader", "region"} {
		for _, of := range roles[role] {
			if of == "" {
				b.t.Errorf("%s: a %s without a name", name, role)
			}
		}
	}
	want := map[string]int{"main": 1, "heading": 1}
	if kind, _, _ := strings.Cut(name, ","); kind == "list" || kind == "feed" || kind == "types" || kind == "archive" || kind == "entity" {
		want = map[string]int{"main": 1, "heading": 1, "table": 1, "columnheader": 4, "rowheader": 3, "row": 4, "cell": 8}
	}
	for role, least := range want {
		if len(roles[role]) < least {
			b.t.Errorf("%s: %d of role %s: %q", name, len(roles[role]), role, roles[role])
		}
	}
	if h1 := eval[int](b, `document.querySelectorAll("h1").length`); h1 != 1 || eval[string](b, "document.documentElement.lang") != "en" {
		b.t.Errorf("%s: %d headings of level 1", name, h1)
	}
}

func accessibleName(node *accessibility.Node) string {
	if node.Name == nil {
		return ""
	}
	return strings.Trim(string(node.Name.Value), `"`)
}

const contrast = `(() => {
	const parse = (color) => color.match(/[\d.]+/g).map(Number);
	const light = (color) => {
		const [r, g, b] = parse(color).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const color = getComputedStyle(e).backgroundColor;
			if (parse(color)[3] !== 0) return color;
		}
		return "rgb(255, 255, 255)";
	};
	const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
	const weak = [];
	for (const e of document.body.querySelectorAll("*")) {
		if (!Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.data.trim()) || ["SCRIPT", "NOSCRIPT"].includes(e.tagName)) continue;
		const color = getComputedStyle(e).color, found = ratio(color, behind(e));
		if (!(found >= 4.5)) weak.push(e.tagName + " " + e.className + " " + color + " on " + behind(e) + ": " + found);
	}
	document.links[0].focus({ focusVisible: true });
	const style = getComputedStyle(document.links[0]);
	if (style.outlineStyle !== "solid" || !(ratio(style.outlineColor, behind(document.body)) >= 3)) weak.push("outline " + style.outline);
	return weak;
})()`

func TestKeyboardReachesTheContentFirst(t *testing.T) {
	t.Parallel()
	pages := kinds(t)
	b := open(t, 1000)
	b.do(chromedp.Navigate(pages["feed"]), chromedp.KeyEvent("\t"))
	if text := eval[string](b, "document.activeElement.textContent"); text != "Skip to content" {
		t.Fatalf("the first stop is %q", text)
	}
	if left := eval[float64](b, "document.activeElement.getBoundingClientRect().left"); left < 0 {
		t.Error("the first stop cannot be seen")
	}
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.activeElement.id === "main"`)
}
