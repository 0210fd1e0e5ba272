package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func TestASearchAtTheRootLooksThroughTheFeeds(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	storetest.Append(t, l, "f", about("o-1", 1, 6))
	storetest.Drain(t, l, "f")
	s := servertest.Serve(t, l)
	response, _ := browse(t, s.URL+"/?q=o-1")
	if at := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || at != "feeds/f?q=o-1" {
		t.Errorf("with one feed: %d %s", response.StatusCode, at)
	}
	storetest.Append(t, l, "f", about("3", 7, 8)) // which is no part of a date
	storetest.Drain(t, l, "f")
	storetest.Create(t, l, "plain", 10)
	storetest.Append(t, l, "plain", storetest.Events(1, 3))
	storetest.Drain(t, l, "plain")
	s = servertest.Serve(t, l)
	for query, want := range map[string]string{"o-1": "feeds/f?q=o-1", "o-1 3 May": "feeds/f?q=o-1+3+May", "order o-1": "feeds/f?q=order+o-1", "order O-1": "feeds/f?q=order+O-1", "nobody 3 May": "", "2": "feeds/plain?q=2", "nobody": ""} {
		if response, _ := browse(t, s.URL+"/?"+urlQuery("q", query)); response.Header.Get("Location") != want {
			t.Errorf("%s in two feeds: %d %s, want %q", query, response.StatusCode, response.Header.Get("Location"), want)
		}
	}
	for n := range 20 {
		storetest.Create(t, l, fmt.Sprintf("z%02d", n), 10)
	}
	s = servertest.Serve(t, l)
	for query, want := range map[string]string{
		"o-1":       `href="./feeds/f?q=o-1">a subject</a>: 6 events`,
		"o-1 3 May": `href="./feeds/f?q=o-1&#43;3&#43;May">a time and the subject <bdi>o-1</bdi></a>: 6 events at any time`,
		"order o-1": `href="./feeds/f?q=order&#43;o-1">a word and the subject <bdi>o-1</bdi></a>: 6 events`,
		"o-1.2":     `href="./feeds/f?q=o-1.2">the id of an event</a>`,
		"2":         `href="./feeds/plain?q=2">the id of an event</a>`,
		"nobody":    "Nothing found",
		"' OR true": "Nothing found",
	} {
		response, page := browse(t, s.URL+"/?"+urlQuery("q", query))
		if response.StatusCode != 200 || !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, "&#43;", "+")) {
			t.Errorf("%s: want %s\n%s", query, want, page)
		}
		if text := plainText(page); !strings.Contains(text, "Searched, of 22 feeds: f , plain , z00") || strings.Contains(text, "z18") || !strings.Contains(text, "subjects were not searched; search in each: plain ") {
			t.Errorf("%s: %s", query, text)
		}
	}
	if response, body := do(t, "GET", s.URL+"/?q=o-1"); response.Header.Get("Content-Type") != "application/atomsvc+xml" || !strings.Contains(string(body), "z19") {
		t.Errorf("programs get the feeds: %s", body)
	}
}
