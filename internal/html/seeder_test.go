package html_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/need"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// shipping is a projection that fails for two orders, and that names a type that no event has.
const shipping = `CREATE TABLE orders (id TEXT PRIMARY KEY, total NUMERIC CHECK (total <> 42.9 AND total <> 46.9), state TEXT);
-- on OrderPlaced
INSERT INTO orders VALUES (:subject, :data ->> 'total', 'placed') ON CONFLICT DO NOTHING;
-- on OrderPaid
INSERT INTO orders VALUES (:subject, :data ->> 'total', 'paid') ON CONFLICT (id) DO UPDATE SET state = 'paid';
-- on OrderShiped
UPDATE orders SET state = 'shipped' WHERE id = :subject;
`

// buildSeeder builds the program whose page is tested.
func buildSeeder(t *testing.T) (program string) {
	t.Helper()
	need.Tool(t, "chromium") // without it there is nothing to do
	program = filepath.Join(t.TempDir(), "seeder")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/seeder").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

var listening = regexp.MustCompile(`msg="serving health and metrics" url=(\S+)`)

// runSeeder starts a seeder in a folder, and returns the URL of its page when it logs a text.
func runSeeder(t *testing.T, program, folder, ready string, arguments ...string) (url string) {
	t.Helper()
	command := exec.Command(program, append([]string{"run", "--follow", "--on-error", "park", "--listen", "127.0.0.1:0"}, arguments...)...)
	command.Dir = folder
	stderr, err := command.StderrPipe()
	must.OK(t, err)
	must.OK(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if match := listening.FindStringSubmatch(lines.Text()); match != nil {
			url = match[1]
		}
		if strings.Contains(lines.Text(), ready) {
			go func() { // so that it can go on logging
				for lines.Scan() {
				}
			}()
			return url
		}
	}
	t.Fatalf("the seeder ended before it logged %q", ready)
	return ""
}

// seederPages returns pages of seeders: one that follows, one whose server has gone away while it
// seeds, and one with hostile events.
func seederPages(t *testing.T) map[string]string {
	t.Helper()
	program, folder := buildSeeder(t), t.TempDir()
	must.OK(t, os.WriteFile(filepath.Join(folder, "shipping.sql"), []byte(shipping), 0o600))
	l := shop(t)
	feed := servertest.Serve(t, l).URL + "/feeds/orders"
	return map[string]string{
		"following": runSeeder(t, program, folder, "msg=following", "--from", feed, "--into", "sqlite:shipping.db", "--projection", "shipping.sql"),
		"waiting":   runSeeder(t, program, folder, "cannot fetch, retrying", "--from", failing(t, l)+"/feeds/orders", "--into", "sqlite:copy.db", "--prefetch", "1"),
		"hostile":   hostileSeeder(t, program, folder),
	}
}

// failing serves a log until the first archive was read; then it answers with 503.
func failing(t *testing.T, l *store.Log) (url string) {
	t.Helper()
	real, archives := servertest.Handler(t, l), 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/archive/") {
			archives++ // by one request at a time
		}
		if archives > 1 {
			http.Error(w, "down for <b>maintenance</b>", http.StatusServiceUnavailable)
			return
		}
		real.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// hostileSeeder starts a seeder in whose inbox no event fits, with an error that is hostile itself.
func hostileSeeder(t *testing.T, program, folder string) (url string) {
	t.Helper()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 40)
	var events = nasty(t)
	for i := range events {
		events[i].Data, events[i].Extensions = nil, nil
	}
	storetest.Append(t, l, "f", events)
	storetest.Drain(t, l, "f")
	feed, target := servertest.Serve(t, l).URL+"/feeds/f", filepath.Join(folder, "hostile.db")
	const consumer = `<script>` + marker + `</script>`
	out, err := exec.CommandContext(t.Context(), program, "run", "--from", feed, "--into", "sqlite:"+target, "--consumer", consumer, "--until", "1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	db, err := sqlitedb.OpenWriter(t.Context(), target)
	must.OK(t, err)
	_, err = db.ExecContext(t.Context(), `CREATE TRIGGER odd BEFORE INSERT ON eventfeed_inbox_feed_events BEGIN
		SELECT RAISE(ABORT, '</p></td><script>`+marker+`</script>`+strings.Repeat("W", 3000)+"\u202e"+`'); END`)
	must.OK(t, err)
	must.OK(t, db.Close())
	return runSeeder(t, program, folder, "msg=following", "--from", feed, "--into", "sqlite:hostile.db", "--consumer", consumer)
}

// TestSeedersPage in a browser, with and without JavaScript, on a phone and on a desk, in light and
// dark.
func TestSeedersPage(t *testing.T) {
	t.Parallel()
	pages := seederPages(t)
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprint("script ", script), func(t *testing.T) {
			t.Parallel()
			b := open(t, 1000)
			if !script {
				b.withoutScript()
			}
			b.do(chromedp.Navigate(pages["following"]))
			b.see("Seeder, consumer default", "Following, but 16 events are parked, so the target is not up to date: 4 failed, and 12 later events of the same entities wait for them.",
				"sqlite:shipping.db", "tables, by the SQL in shipping.sql (the projection)", "4 events failed: shipping.sql:3:", "Example: event orders 32, type OrderPlaced, subject order/4008, data:", `{"order":4008,"customer":{"name":"Zoë Ångström"`,
				"If you changed shipping.sql in step 1, run this command instead, which accepts the change:", "seeder retry --into sqlite:shipping.db --projection shipping.sql --accept-projection", "Stop this seeder, process ", "List all 16 parked events",
				"seeder run --from http://127.0.0.1:", "--into sqlite:shipping.db --follow --listen 127.0.0.1:0 --on-error park --projection shipping.sql", "To fill a new copy beside this one",
				"200", "100 %", "shipping.sql:6 on OrderShiped: no event had this type; did you mean OrderShipped?",
				"seeder retry --into sqlite:shipping.db --projection shipping.sql", "CHECK constraint failed", "OrderPacked", "waiting for new events")
			if !eval[bool](b, `getComputedStyle(document.getElementById("state")).color === getComputedStyle(document.querySelector(".errors .error")).color`) {
				t.Error("the first sentence does not look like bad news")
			}
			const folded = `seeder retry --into sqlite:shipping.db --projection shipping.sql --feed orders --subject order/`
			shown := eval[string](b, "document.body.innerText")
			if strings.Contains(shown, folded) || strings.Count(shown, "total <> 46.9 (275)") != 5 || strings.Contains(shown, "tried once") {
				t.Errorf("not folded: the command for one entity, or the errors of the rows:\n%s", shown)
			}
			if lines := eval[float64](b, `Math.max(...Array.from(document.querySelectorAll("table.parked tbody tr"), (row) => row.offsetHeight))`); lines > 50 {
				t.Errorf("a row of the list is %v pixels high", lines)
			}
			eval[int](b, `document.querySelectorAll("details").forEach((d) => d.open = true); 0`)
			b.see(folded, "tried once")
			b.follow("Reload", "Seeder, consumer default")
			b.clean()
			b.do(chromedp.Navigate(pages["waiting"]))
			b.see("Waiting: http://127.0.0.1", "is unavailable, since ", "it answered with status 503", "seeder inspect http://127.0.0.1")
			b.clean()
		})
	}
	t.Run("hostile", func(t *testing.T) { t.Parallel(); checkHostile(t, pages["hostile"]) })
	t.Run("accessible", func(t *testing.T) { t.Parallel(); checkAccessible(t, pages) })
	t.Run("screens", func(t *testing.T) { t.Parallel(); keepSeederScreens(t, pages) })
}

func checkHostile(t *testing.T, url string) {
	t.Helper()
	b := open(t, 360)
	b.do(chromedp.Navigate(url))
	b.see("<script>"+marker, "events are parked", "40 more")
	for _, folded := range []bool{true, false} {
		if !folded {
			eval[int](b, `document.querySelectorAll("details").forEach((d) => d.open = true); 0`)
		}
		for _, window := range []int64{1100, 980, 360} {
			b.do(chromedp.EmulateViewport(window, 800))
			if width := eval[int64](b, "document.documentElement.scrollWidth"); width > window {
				t.Errorf("folded %v: is %d wide in a window of %d", folded, width, window)
			}
		}
	}
	if eval[bool](b, "window.ran === true") {
		t.Error("a script of an event ran")
	}
	b.clean()
}

// checkAccessible checks names of what assistive technology is told, contrast, and the keyboard.
func checkAccessible(t *testing.T, pages map[string]string) {
	t.Helper()
	b := open(t, 1000)
	for name, url := range pages {
		b.do(chromedp.Navigate(url))
		for _, look := range []struct {
			width  int64
			scheme string
		}{{1000, "light"}, {360, "dark"}} {
			b.do(chromedp.EmulateViewport(look.width, 800))
			b.scheme(look.scheme)
			if weak := eval[[]string](b, contrast); len(weak) > 0 {
				t.Errorf("%s, %s: %q", name, look.scheme, weak)
			}
			count := map[string]int{}
			for _, node := range call(b, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
				if node.Ignored || node.Role == nil {
					continue
				}
				role := strings.Trim(string(node.Role.Value), `"`)
				count[role]++
				switch role {
				case "link", "heading", "table", "navigation", "columnheader", "rowheader", "region", "DisclosureTriangle":
					if accessibleName(node) == "" {
						t.Errorf("%s, %d wide: a %s without a name", name, look.width, role)
					}
				}
			}
			if count["table"] < 2 || count["columnheader"] < 12 || count["rowheader"] < 7 || count["heading"] < 5 || count["main"] != 1 {
				t.Errorf("%s, %d wide: %v", name, look.width, count)
			}
		}
	}
	b.do(chromedp.Navigate(pages["following"]), chromedp.KeyEvent("\t"))
	if text := eval[string](b, "document.activeElement.textContent"); text != "Skip to content" {
		t.Errorf("the first stop is %q", text)
	}
	const isSummary = `document.activeElement.matches("table.parked summary")`
	for range 20 {
		b.do(chromedp.KeyEvent("\t"))
		if eval[bool](b, isSummary) {
			break
		}
	}
	b.do(chromedp.KeyEvent("\r"))
	if !eval[bool](b, isSummary+` && document.activeElement.parentElement.open`) {
		t.Error("the keyboard does not open the commands of an event")
	}
	b.clean()
}

// anyMachine replaces what a picture would show of the machine that it is made on.
const anyMachine = `document.querySelectorAll(".part > p > code").forEach((code, i) => { code.textContent = ["shop-3", "/srv/shipping"][i]; });
	document.querySelectorAll(".steps > li > p").forEach((p) => { p.textContent = p.textContent.replace(/process \d+ on host [^ ]+\./, "process 4711 on host shop-3."); });
	document.querySelectorAll(".steps code").forEach((code) => { if (code.textContent.startsWith("kill ")) code.textContent = "kill 4711"; }); 0`

// keepSeederScreens keeps the pictures of the documentation.
func keepSeederScreens(t *testing.T, pages map[string]string) {
	t.Helper()
	keepPictures(t, []picture{
		{"seeder-desktop", pages["following"], "light", 1100, 1650}, {"seeder-dark", pages["following"], "dark", 1100, 1000},
		{"seeder-phone", pages["following"], "light", 360, 2000}, {"seeder-phone-dark", pages["following"], "dark", 360, 2000},
		{"seeder-waiting-phone", pages["waiting"], "dark", 360, 1100},
	}, func(b *tab) { eval[int](b, anyMachine) })
}
