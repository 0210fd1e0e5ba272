package server_test

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// serve returns a server with a feed "f" of 250 events, 100 a page.
func serve(t *testing.T) (*store.Log, *httptest.Server) {
	t.Helper()
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	storetest.Append(t, l, "f", storetest.Events(1, 250))
	storetest.Drain(t, l, "f")
	return l, servertest.Serve(t, l)
}

// do sends a request with header fields in pairs.
func do(t *testing.T, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	must.OK(t, err)
	request.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	must.OK(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	return response, body
}

func archiveURL(t *testing.T, l *store.Log, s *httptest.Server, number int64) string {
	t.Helper()
	f, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	return s.URL + feed.ArchivePath("f", feed.Page{Epoch: f.Epoch(), Number: number})
}

func TestDocumentsAndTheirLifetime(t *testing.T) {
	l, s := serve(t)
	for _, test := range []struct {
		url, cache  string
		first, last int64
	}{
		{s.URL + "/feeds/f", "public, max-age=1", 201, 250}, // never fewer than the newest 50
		{archiveURL(t, l, s, 1), "public, max-age=31536000, immutable", 1, 100},
		{archiveURL(t, l, s, 2), "public, max-age=5", 101, 200},
	} {
		response, body := do(t, "GET", test.url)
		if response.StatusCode != 200 || response.Header.Get("Cache-Control") != test.cache || response.Header.Get("Content-Type") != "application/atom+xml" {
			t.Errorf("%s: %d %v", test.url, response.StatusCode, response.Header)
		}
		d, err := feed.Decode(body)
		must.OK(t, err)
		must.OK(t, d.Check())
		if d.First != test.first || d.Last != test.last {
			t.Errorf("%s: positions %d to %d", test.url, d.First, d.Last)
		}
	}
}

func TestEveryDocumentAnswersItsETagWith304(t *testing.T) {
	l, s := serve(t)
	service, _ := do(t, "GET", s.URL+"/")
	if again, body := do(t, "GET", s.URL+"/", "If-None-Match", service.Header.Get("ETag")); again.StatusCode != 304 || len(body) != 0 {
		t.Errorf("service document: %d %v", again.StatusCode, again.Header)
	}
	for _, url := range []string{s.URL + "/feeds/f", archiveURL(t, l, s, 1), archiveURL(t, l, s, 2)} {
		tags := map[string]bool{}
		for _, coding := range []string{"identity", "gzip", "zstd"} {
			response, _ := do(t, "GET", url, "Accept-Encoding", coding)
			tag := response.Header.Get("ETag")
			tags[tag] = true
			if !strings.HasPrefix(tag, `"`) {
				t.Errorf("%s: ETag %s is not a strong one", url, tag)
			}
			response, body := do(t, "GET", url, "Accept-Encoding", coding, "If-None-Match", `"x", `+tag)
			if response.StatusCode != 304 || len(body) != 0 || response.Header.Get("ETag") != tag ||
				response.Header.Get("Cache-Control") == "" || !strings.HasPrefix(response.Header.Get("Vary"), "Accept, Accept-Encoding") {
				t.Errorf("%s as %s: %d %v", url, coding, response.StatusCode, response.Header)
			}
		}
		if len(tags) != 3 {
			t.Errorf("%s: codings share the ETag %v", url, tags)
		}
	}
}

func TestETagChangesWithTheFeed(t *testing.T) {
	l, s := serve(t)
	before, _ := do(t, "GET", s.URL+"/feeds/f")
	storetest.Append(t, l, "f", storetest.Events(251, 251))
	storetest.Drain(t, l, "f")
	after, body := do(t, "GET", s.URL+"/feeds/f", "If-None-Match", before.Header.Get("ETag"))
	if after.StatusCode != 200 || !strings.Contains(string(body), `position="251"`) {
		t.Errorf("%d %.200s", after.StatusCode, body)
	}
}

func TestEveryCodingIsTheSameDocument(t *testing.T) {
	l, s := serve(t)
	for _, url := range []string{s.URL + "/feeds/f", archiveURL(t, l, s, 1), archiveURL(t, l, s, 2), s.URL + "/"} {
		_, identity := do(t, "GET", url)
		for coding, decode := range map[string]func([]byte) ([]byte, error){"zstd": compress.Unzstd, "gzip": gunzip} {
			response, body := do(t, "GET", url, "Accept-Encoding", coding)
			text, err := decode(body)
			if err != nil || !bytes.Equal(text, identity) || response.Header.Get("Content-Encoding") != coding {
				t.Errorf("%s in %s: another document (%v), %v", url, coding, err, response.Header)
			}
			if response.ContentLength != int64(len(body)) {
				t.Errorf("%s in %s: Content-Length %d of %d", url, coding, response.ContentLength, len(body))
			}
		}
	}
}

func gunzip(compressed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

func TestHEADIsGETWithoutTheBody(t *testing.T) {
	l, s := serve(t)
	for _, url := range []string{s.URL + "/", s.URL + "/feeds/f", archiveURL(t, l, s, 1)} {
		get, _ := do(t, "GET", url)
		head, body := do(t, "HEAD", url)
		if head.StatusCode != 200 || len(body) != 0 || head.Header.Get("ETag") != get.Header.Get("ETag") || head.ContentLength != get.ContentLength {
			t.Errorf("%s: %d %v, GET has %v", url, head.StatusCode, head.Header, get.Header)
		}
	}
}

func TestWhatIsNotThereSaysSo(t *testing.T) {
	l, s := serve(t)
	before, err := l.Feed(t.Context(), "f")
	must.OK(t, err)
	must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
	old := s.URL + "/feeds/f/archive/" + before.Epoch()
	for _, test := range []struct {
		method, url string
		status      int
	}{
		{"GET", s.URL + "/nothing", 404},
		{"GET", s.URL + "/feeds/nothing", 404},
		{"GET", s.URL + "/feeds/F", 404},
		{"GET", old + "/0", 404}, {"GET", old + "/01", 404}, {"GET", old + "/x", 404}, {"GET", old + "/99999999999999999999", 404},
		{"GET", old + "/1", 200},
		{"GET", old + "/2", 410}, // has moved to the new epoch
		{"GET", old + "/3", 410},
		{"GET", s.URL + "/feeds/f/archive/none/1", 404},
		{"POST", s.URL + "/feeds/f", 405}, {"DELETE", old + "/1", 405},
	} {
		response, body := do(t, test.method, test.url)
		if test.status == 200 && response.StatusCode == 200 {
			continue
		}
		if response.StatusCode != test.status || response.Header.Get("Cache-Control") != "no-store" || len(body) < 10 {
			t.Errorf("%s %s: %d %v %s", test.method, test.url, response.StatusCode, response.Header, body)
		}
		if test.status == 405 && response.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: Allow %q", test.url, response.Header.Get("Allow"))
		}
	}
}

// TestLinksLeadThroughTheWholeHistory follows RFC 5005 section 4 as any
// reader would: prev-archive back from the subscription document, next-archive
// forward again, current back to it.
func TestLinksLeadThroughTheWholeHistory(t *testing.T) {
	l, s := serve(t)
	must.OK(t, l.NewEpoch(t.Context(), "f", "test")) // links cross over to the old epoch
	storetest.Append(t, l, "f", storetest.Events(251, 480))
	storetest.Drain(t, l, "f")
	type document struct {
		Links []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"link"`
		Archive *struct{} `xml:"http://purl.org/syndication/history/1.0 archive"`
	}
	get := func(url string) (links map[string]string, archive bool) {
		response, body := do(t, "GET", url)
		var d document
		must.OK(t, xml.Unmarshal(body, &d))
		links = map[string]string{}
		for _, link := range d.Links {
			target, err := response.Request.URL.Parse(link.Href)
			must.OK(t, err)
			links[link.Rel] = target.String()
		}
		return links, d.Archive != nil
	}
	var back, forward []string
	links, archive := get(s.URL + "/feeds/f")
	if archive || links["self"] != s.URL+"/feeds/f" || links["next-archive"] != "" {
		t.Errorf("subscription document: archive %v, links %v", archive, links)
	}
	for links["prev-archive"] != "" {
		url := links["prev-archive"]
		back = append(back, url)
		links, archive = get(url)
		if !archive || links["self"] != url || links["current"] != s.URL+"/feeds/f" {
			t.Errorf("%s: archive %v, links %v", url, archive, links)
		}
	}
	// Forward from the first page of the new epoch: what the last final page of
	// the old one links to may have been lost.
	for url := back[len(back)-2]; url != ""; url = links["next-archive"] {
		forward = append([]string{url}, forward...)
		links, _ = get(url)
	}
	if fmt.Sprint(back[:len(back)-1]) != fmt.Sprint(forward) || len(back) != 5 {
		t.Errorf("back:    %v\nforward: %v", back, forward)
	}
}

func TestServiceDocumentListsTheFeeds(t *testing.T) {
	_, s := serve(t)
	response, body := do(t, "GET", s.URL+"/")
	if response.Header.Get("Content-Type") != "application/atomsvc+xml" || !strings.Contains(string(body), `<collection href="feeds/f">`) {
		t.Errorf("%v\n%s", response.Header, body)
	}
}
