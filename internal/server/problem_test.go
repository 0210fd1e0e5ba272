package server_test

import (
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func TestEveryErrorIsAProblem(t *testing.T) {
	l, s := serve(t)
	first := strings.TrimPrefix(archiveURL(t, l, s, 1), s.URL)
	for url, status := range map[string]int{
		strings.TrimSuffix(first, "1") + "%31": 200, first + "%2f": 404,
		"/nothing": 404, "/feeds": 404, "/feeds/": 404, "/feeds/nothing": 404, "/feeds/f/": 404, "/feeds/f/archive/x/1": 404,
		"/feeds/f/events/nothing": 404, "/feeds/f/events/": 404, "/feeds/nothing/stream": 404, "/feeds/f?format=x": 404,
		"//evil.example/x": 404, "/feeds/%66": 200, "/feeds/f%2farchive": 404, "/feeds/%22%3Cx%3E": 404,
	} {
		response, body := do(t, "GET", s.URL+url)
		if response.StatusCode != status {
			t.Errorf("%s: %d", url, response.StatusCode)
		}
		if status == 200 {
			continue
		}
		checkProblem(t, response, body)
		var problem struct{ Instance string }
		must.OK(t, json.Unmarshal(body, &problem))
		// It is a reference to what was asked for, RFC 9457 section 3.1.5.
		instance, err := response.Request.URL.Parse(problem.Instance)
		if err != nil || instance.Host != response.Request.URL.Host || path.Clean(instance.Path) != path.Clean(response.Request.URL.Path) {
			t.Errorf("%s: instance %q leads to %v (%v)", url, problem.Instance, instance, err)
		}
	}
}

func TestPeopleAreToldInHTMLThatRunsNothing(t *testing.T) {
	_, s := serve(t)
	for _, url := range []string{"/nothing", "/feeds/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/feeds/f?format=%3Cscript%3E"} {
		response, body := do(t, "GET", s.URL+url, "Accept", "text/html,*/*;q=0.8")
		if response.StatusCode != 404 || essence(response) != "text/html" || response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", url, response.StatusCode, response.Header)
		}
		if strings.Contains(string(body), "<script>alert") || !strings.Contains(response.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %v\n%s", url, response.Header, body)
		}
	}
}

func TestALogThatCannotBeReadIs503(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	storetest.Append(t, l, "f", storetest.Events(1, 120))
	storetest.Drain(t, l, "f")
	s := servertest.Serve(t, l, func(c *server.Config) { c.Log = &store.Log{Backend: broken{l.Backend}, Logger: l.Logger} })
	for _, url := range []string{s.URL + "/feeds/f", archiveURL(t, l, s, 1), s.URL + "/feeds/f/events/7"} {
		response, body := do(t, "GET", url)
		if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || strings.Contains(string(body), errBroken.Error()) {
			t.Errorf("%s: %d %v %s", url, response.StatusCode, response.Header, body)
		}
		checkProblem(t, response, body)
	}
}

// TestAPageOfALostHistorySaysWhereItGoesOn: the last final page before a loss
// links to a page that is gone. Who follows that link is told so, and led on.
func TestAPageOfALostHistorySaysWhereItGoesOn(t *testing.T) {
	l, s := serve(t)
	old := archiveURL(t, l, s, 1)
	must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
	storetest.Drain(t, l, "f")
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	_, body := do(t, "GET", old)
	final := decode(t, body)
	if final.Next == nil || final.Next.Number != 2 || final.Next.Epoch == f.Epoch() {
		t.Fatalf("page 1 goes on at %v", final.Next)
	}
	there := func(number int64) string {
		return feed.ArchivePath("f", feed.Page{Epoch: f.Epoch(), Number: number})
	}
	base, _, _ := strings.Cut(old, "/archive/")
	for number, want := range map[string]string{
		"2": `successor-version ` + there(2) + "\ncurrent /feeds/f\n",
		"3": `successor-version ` + there(3) + "\ncurrent /feeds/f\n",
		"4": "current /feeds/f\n", // not there yet
	} {
		response, body := do(t, "GET", base+"/archive/"+final.Next.Epoch+"/"+number)
		if response.StatusCode != http.StatusGone {
			t.Errorf("page %s: %d", number, response.StatusCode)
		}
		checkProblem(t, response, body)
		targets, rels, _ := links(t, response)
		got := ""
		for i, target := range targets {
			got += rels[i] + " " + target.Path + "\n"
			if there, _ := do(t, "GET", target.String()); there.StatusCode != 200 {
				t.Errorf("page %s: %s %s is %d", number, rels[i], target, there.StatusCode)
			}
		}
		if got != want {
			t.Errorf("page %s: links %q, want %q", number, got, want)
		}
		if !strings.Contains(string(body), f.Epoch()) {
			t.Errorf("page %s: %s", number, body)
		}
	}
}

// TestAnIDOfSeveralSourcesNamesThemAll holds RFC 9110 section 15.4.1.
func TestAnIDOfSeveralSourcesNamesThemAll(t *testing.T) {
	_, s := serveNasty(t)
	response, body := do(t, "GET", s.URL+"/feeds/f/events/7")
	if response.StatusCode != http.StatusMultipleChoices {
		t.Errorf("%d", response.StatusCode)
	}
	checkProblem(t, response, body)
	var problem struct{ Detail string }
	must.OK(t, json.Unmarshal(body, &problem))
	_, list, _ := strings.Cut(problem.Detail, ": ")
	choices := strings.Fields(list)
	if len(choices) != 2 {
		t.Errorf("%s", body)
	}
	for _, url := range choices {
		if there, _ := do(t, "GET", s.URL+"/feeds/f/events/"+url); there.StatusCode != 200 {
			t.Errorf("%s: %d", url, there.StatusCode)
		}
	}
}
