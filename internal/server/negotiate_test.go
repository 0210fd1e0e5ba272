package server_test

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func essence(response *http.Response) string {
	mediaType, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	return mediaType
}

func TestAcceptChoosesTheForm(t *testing.T) {
	l, s := serve(t)
	feeds, archive, event := s.URL+"/feeds/f", archiveURL(t, l, s, 1), s.URL+"/feeds/f/events/7"
	for _, test := range []struct {
		url    string
		accept []string
		want   string // media type; empty means 406
	}{
		{feeds, nil, "application/atom+xml"},
		{feeds, []string{""}, "application/atom+xml"},
		{feeds, []string{"*/*"}, "application/atom+xml"},
		{feeds, []string{"application/*"}, "application/atom+xml"},
		{feeds, []string{"text/*"}, "text/html"},
		{feeds, []string{"application/rss+xml"}, "application/rss+xml"},
		{feeds, []string{"APPLICATION/Feed+JSON"}, "application/feed+json"},
		{feeds, []string{"application/json"}, "application/feed+json"},
		{feeds, []string{"application/cloudevents-batch+json"}, "application/cloudevents-batch+json"},
		{feeds, []string{"application/atom+xml;q=0, */*"}, "text/html"},
		{feeds, []string{"application/atom+xml;q=0, text/html;q=0, */*;q=0.1"}, "application/rss+xml"},
		{feeds, []string{"application/atom+xml;q=0.2", "application/rss+xml;q=0.9"}, "application/rss+xml"},
		{feeds, []string{"application/rss+xml ; q=0.5 , application/atom+xml;q=0.4"}, "application/rss+xml"},
		{feeds, []string{`text/plain;x="a, text/html, b", application/rss+xml;q=0.1`}, "application/rss+xml"},
		{feeds, []string{`application/rss+xml;x="a;q=0"`}, "application/rss+xml"},
		{feeds, []string{"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}, "text/html"}, // a browser
		{feeds, []string{"image/png"}, ""},
		{feeds, []string{"*/*;q=0"}, ""},
		{feeds, []string{"application/atom+xml;q=0"}, ""},
		{archive, nil, "application/atom+xml"},
		{archive, []string{"application/cloudevents-batch+json"}, "application/cloudevents-batch+json"},
		{archive, []string{"application/rss+xml"}, ""}, // no RSS of archives
		{event, nil, "application/atom+xml"},
		{event, []string{"application/cloudevents+json"}, "application/cloudevents+json"},
		{event, []string{"application/rss+xml"}, ""},
		{s.URL + "/", nil, "application/atomsvc+xml"},
		{s.URL + "/", []string{"text/html"}, "text/html"},
		{s.URL + "/", []string{"application/atom+xml"}, ""},
	} {
		header := http.Header{}
		if test.accept != nil {
			header["Accept"] = test.accept
		}
		response, body := ask(t, "GET", test.url, header)
		if test.want == "" {
			if response.StatusCode != 406 || !strings.Contains(string(body), "text/html") || !strings.Contains(string(body), "application/atom") {
				t.Errorf("%s: Accept %q: %d %s", test.url, test.accept, response.StatusCode, body)
			}
			checkProblem(t, response, body)
			continue
		}
		if response.StatusCode != 200 || essence(response) != test.want {
			t.Errorf("%s: Accept %q: %d %s", test.url, test.accept, response.StatusCode, response.Header.Get("Content-Type"))
		}
	}
}

func TestAcceptEncodingChoosesTheCoding(t *testing.T) {
	l, s := serve(t)
	for _, url := range resources(t, l, s) {
		for _, test := range []struct {
			accept []string
			want   string
			status int
		}{
			{nil, "", 200},
			{[]string{""}, "", 200},
			{[]string{"gzip", "zstd;q=0.5"}, "gzip", 200},
			{[]string{"gzip;q=0.5", "zstd"}, "zstd", 200},
			{[]string{"x-gzip"}, "gzip", 200}, // RFC 9110 section 8.4.1.3
			{[]string{"br"}, "", 200},
			{[]string{"gzip;q=0, *;q=0.1"}, "zstd", 200},
			{[]string{"identity;q=0"}, "", 406},
			{[]string{"br, identity;q=0"}, "", 406},
			{[]string{"*;q=0"}, "", 406},
		} {
			// Go's client asks for gzip where the field is missing altogether.
			response, body := ask(t, "GET", url, http.Header{"Accept-Encoding": test.accept})
			if response.StatusCode != test.status || response.Header.Get("Content-Encoding") != test.want {
				t.Errorf("%s: Accept-Encoding %q: %d %q", url, test.accept, response.StatusCode, response.Header.Get("Content-Encoding"))
			}
			if test.status == 406 {
				checkProblem(t, response, body)
			}
		}
	}
}

func TestURLOfAFormGoesBeforeAccept(t *testing.T) {
	l, s := serve(t)
	for _, url := range resources(t, l, s) {
		if !strings.Contains(url, "?format=") {
			continue
		}
		want, _ := do(t, "GET", url)
		got, _ := do(t, "GET", url, "Accept", "image/png")
		if got.StatusCode != 200 || got.Header.Get("ETag") != want.Header.Get("ETag") || strings.Contains(got.Header.Get("Vary"), "Accept,") {
			t.Errorf("%s: %d %v", url, got.StatusCode, got.Header)
		}
	}
	for _, url := range []string{s.URL + "/?format=x", s.URL + "/feeds/f?format=ATOM", archiveURL(t, l, s, 1) + "?format=rss", s.URL + "/feeds/f/events/7?format=json"} {
		response, body := do(t, "GET", url)
		if response.StatusCode != 404 || !strings.Contains(string(body), "html") {
			t.Errorf("%s: %d %s", url, response.StatusCode, body)
		}
		checkProblem(t, response, body)
	}
}

var linkPattern = regexp.MustCompile(`^<([^>]*)>; rel="([a-z-]+)"(?:; type="([^"]+)")?$`)

// links reads the fields of RFC 8288, and resolves their references.
func links(t *testing.T, response *http.Response) (targets []*url.URL, rels, types []string) {
	t.Helper()
	for _, value := range response.Header.Values("Link") {
		parts := linkPattern.FindStringSubmatch(value)
		if parts == nil {
			t.Fatalf("%s: Link: %s", response.Request.URL, value)
		}
		target, err := response.Request.URL.Parse(parts[1])
		must.OK(t, err)
		targets, rels, types = append(targets, target), append(rels, parts[2]), append(types, parts[3])
	}
	return targets, rels, types
}

// A subscription document leads to the feed's types besides.
func TestAlternatesAreLinkedWithTheirTypes(t *testing.T) {
	l, s := serve(t)
	for url, want := range map[string]int{
		s.URL + "/": 1, s.URL + "/feeds/f": 5, s.URL + "/feeds/f?format=rss": 5, s.URL + "/feeds/f/types": 1, s.URL + "/feeds/f/events/7?source=%2Ftest": 2,
		archiveURL(t, l, s, 1): 3, archiveURL(t, l, s, 1) + "?format=html": 3,
	} {
		response, _ := do(t, "GET", url)
		targets, rels, types := links(t, response)
		if len(targets) != want {
			t.Errorf("%s: Link %q", url, response.Header.Values("Link"))
		}
		for i, target := range targets {
			alternate, _ := do(t, "GET", target.String())
			if rels[i] == "describedby" {
				rels[i] = map[bool]string{true: "alternate"}[strings.HasSuffix(target.Path, "/feeds/f/types")]
			}
			if rels[i] != "alternate" || alternate.StatusCode != 200 || alternate.Header.Get("Content-Type") != types[i] || types[i] == response.Header.Get("Content-Type") {
				t.Errorf("%s: %s of type %s is %d %v", url, target, types[i], alternate.StatusCode, alternate.Header)
			}
		}
	}
}

func TestOnlyMethodsThatAreThereAreAnswered(t *testing.T) {
	l, s := serve(t)
	for _, url := range []string{s.URL + "/", s.URL + "/feeds/f", s.URL + "/feeds/f.atom", archiveURL(t, l, s, 1), s.URL + "/feeds/f/events/7", s.URL + "/feeds/f/types", s.URL + "/feeds/f/stream"} {
		for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "TRACE"} {
			response, body := do(t, method, url)
			if response.StatusCode != 405 || response.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
				t.Errorf("%s %s: %d %v", method, url, response.StatusCode, response.Header)
			}
			checkProblem(t, response, body)
		}
		for _, method := range []string{"BREW", "get"} {
			response, body := do(t, method, url)
			if response.StatusCode != 501 {
				t.Errorf("%s %s: %d", method, url, response.StatusCode)
			}
			checkProblem(t, response, body)
		}
		response, body := do(t, "OPTIONS", url)
		if response.StatusCode != 204 || len(body) > 0 || response.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("OPTIONS %s: %d %v", url, response.StatusCode, response.Header)
		}
	}
}

func TestHEADHasTheFieldsOfGET(t *testing.T) {
	l, s := serve(t)
	settled(t, l)
	for _, url := range append(resources(t, l, s), s.URL+"/nothing", s.URL+"/feeds/f?format=x") {
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			get, _ := do(t, "GET", url, "Accept-Encoding", coding)
			head, body := do(t, "HEAD", url, "Accept-Encoding", coding)
			if head.StatusCode != get.StatusCode || len(body) > 0 {
				t.Errorf("HEAD %s: %d with %d bytes", url, head.StatusCode, len(body))
			}
			get.Header.Del("Date")
			head.Header.Del("Date")
			for field := range get.Header {
				if strings.Join(head.Header.Values(field), "\n") != strings.Join(get.Header.Values(field), "\n") {
					t.Errorf("HEAD %s as %s: %s %q, GET has %q", url, coding, field, head.Header.Values(field), get.Header.Values(field))
				}
			}
		}
	}
}

// TestRangesAreNotOffered: a part of a page is of no use, RFC 9110 section 14.2
// lets a server pass over the wish for one.
func TestRangesAreNotOffered(t *testing.T) {
	l, s := serve(t)
	for _, url := range resources(t, l, s) {
		whole, body := do(t, "GET", url)
		for _, header := range [][]string{{"Range", "bytes=0-9"}, {"Range", "bytes=0-9", "If-Range", whole.Header.Get("ETag")}} {
			response, got := do(t, "GET", url, header...)
			if response.StatusCode != 200 || !bytes.Equal(got, body) || response.Header.Get("Accept-Ranges") != "none" || response.Header.Get("Content-Range") != "" {
				t.Errorf("%s: %d with %d bytes, %v", url, response.StatusCode, len(got), response.Header)
			}
		}
	}
}
