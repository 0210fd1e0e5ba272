package html_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// How long a test waits for a browser on a busy machine: for one thing, and for
// all that is done on one page.
const (
	patience = 2 * time.Minute
	lifetime = 8 * time.Minute
)

// chromium is the browser of all tests, which the first that needs it starts.
var chromium browser

type browser struct {
	once sync.Once
	ctx  context.Context // chromedp's handle of it
	err  error           // why it did not start
	stop func()          // nil if it was not started
}

func TestMain(m *testing.M) {
	status := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(status)
}

func (b *browser) start(path string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // it cannot be had as root, and all pages are our own
		chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-gpu", true), // to emulate one takes a quarter of the CPU time of the tests
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("font-render-hinting", "none"),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator)
	b.ctx, b.stop = ctx, func() { stopBrowser(); stopAllocator() }
	b.err = chromedp.Do(ctx)
}

// tab is a page of the browser that notes whatever should not happen on it.
type tab struct {
	t   *testing.T
	ctx context.Context // chromedp's handle of it

	mu     sync.Mutex
	wrongs []string
}

// open opens a tab of its own, in a window of this width.
func open(t *testing.T, width int64) *tab {
	t.Helper()
	path := need.Tool(t, "chromium")
	chromium.once.Do(func() { chromium.start(path) })
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	ctx, stop := context.WithTimeout(chromium.ctx, lifetime)
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext())
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() { closeTab(); stop() })
	if err := chromedp.Listen(ctx, b.notice); err != nil {
		t.Fatal(err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, audits.Enable, cdp.Empty{})
	b.do(chromedp.EmulateViewport(width, 800))
	return b
}

// notice keeps dialogs, errors, and what the policy forbade.
func (b *tab) notice(what any) {
	if dialog, ok := what.(*page.EventJavascriptDialogOpening); ok {
		b.note("dialog: " + dialog.Message)
		go func() { // not here: this is where answers are read
			_, _ = chromedp.Call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{})
		}()
	}
	switch e := what.(type) {
	case *runtime.EventConsoleAPICalled:
		b.note("console." + string(e.Type))
	case *runtime.EventExceptionThrown:
		b.note("exception: " + e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if strings.Contains(e.Entry.Text, "status of 503") {
			return // by a server that this machine kept from its database for seconds; the page asks again
		}
		b.note(fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text))
	case *audits.EventIssueAdded:
		generic := e.Issue.Details.GenericIssueDetails
		if generic != nil && generic.ErrorType == audits.GenericIssueErrorTypeNavigationEntryMarkedSkippable {
			return // nobody has touched the page before it was left
		}
		b.note("issue: " + string(e.Issue.Code))
	}
}

func (b *tab) note(wrong string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrongs = append(b.wrongs, wrong)
}

// clean fails the test if anything happened that should not.
func (b *tab) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.wrongs) > 0 {
		b.t.Errorf("on the page: %s", strings.Join(b.wrongs, "\n"))
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns the value of an expression in JavaScript, as the developer's
// console would: scripts of the page may be switched off.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits until an expression is true. One that throws is not true yet: it
// may ask an element that is still to come.
func (b *tab) until(expression string) {
	b.t.Helper()
	tried := "(() => { try { return " + expression + " } catch { return false } })()"
	if err := chromedp.Do(b.ctx, chromedp.Poll[chromedp.Void](tried, chromedp.WithPollingTimeout(patience), chromedp.WithPollingInterval(50*time.Millisecond))); err != nil {
		b.t.Fatalf("waiting for %s: %v\n%s", expression, err, eval[string](b, "document.body.innerText"))
	}
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v", command.Method, err)
	}
	return result
}

// scheme sets the colours that the reader prefers: light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

func (b *tab) withoutScript() {
	b.t.Helper()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// forget forgets what was noticed, and reports whether there was anything.
func (b *tab) forget() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	some := len(b.wrongs) > 0
	b.wrongs = nil
	return some
}

// follow clicks the first link that has this text and waits for the page with
// this title.
func (b *tab) follow(text, title string) {
	b.t.Helper()
	here := eval[string](b, "location.href")
	link := fmt.Sprintf(`Array.from(document.links).find((a) => a.textContent === %q)`, text)
	if eval[bool](b, "!"+link) {
		b.t.Fatalf("no link %q on %s\n%s", text, here, eval[string](b, "document.body.innerText"))
	}
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Evaluate[chromedp.Void](link+".click()")); err != nil {
		b.t.Fatalf("link %q: %v", text, err)
	}
	if got := eval[string](b, "document.title"); got != title {
		b.t.Fatalf("link %q of %s leads to %q, want %q", text, here, got, title)
	}
}

// see checks that the page shows these texts.
func (b *tab) see(texts ...string) {
	b.t.Helper()
	shown := eval[string](b, "document.body.innerText")
	for _, text := range texts {
		if !strings.Contains(shown, text) {
			b.t.Errorf("%q is not on the page:\n%s", text, shown)
		}
	}
}
