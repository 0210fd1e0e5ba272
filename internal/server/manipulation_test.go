package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// TestDeltaIsForThoseWhoAskForItOnly holds the conditions of RFC 3229 section
// 10.3: a 226 only where a 200 would be, for A-IM with If-None-Match.
func TestDeltaIsForThoseWhoAskForItOnly(t *testing.T) {
	l, s := serve(t)
	url := s.URL + "/feeds/f"
	have, _ := do(t, "GET", url)
	tag := have.Header.Get("ETag")
	storetest.Append(t, l, "f", storetest.Events(251, 253))
	storetest.Drain(t, l, "f")
	for _, test := range []struct {
		method, url string
		header      http.Header
		status      int
	}{
		{"GET", url, http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 226},
		{"GET", url, http.Header{"A-Im": {"vcdiff;q=1", "Feed ; q=0.001"}, "If-None-Match": {`"a,b"`, tag}}, 226},
		{"GET", url + "?format=cloudevents", http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 226},
		{"GET", url, http.Header{"If-None-Match": {tag}}, 200},
		{"GET", url, http.Header{"A-Im": {"feed"}}, 200},
		{"GET", url, http.Header{"A-Im": {"feed;q=0"}, "If-None-Match": {tag}}, 200},
		{"GET", url, http.Header{"A-Im": {"feed;q=0.000, *"}, "If-None-Match": {tag}}, 200},
		{"GET", url, http.Header{"A-Im": {"feeds, xfeed, identity, *"}, "If-None-Match": {tag}}, 200},
		{"GET", url, http.Header{"A-Im": {`x="feed"`}, "If-None-Match": {tag}}, 200},
		{"GET", url, http.Header{"A-Im": {"feed"}, "If-None-Match": {`"` + tag + `"`}}, 200},
		{"GET", url, http.Header{"A-Im": {"feed"}, "If-None-Match": {"*"}}, 304},
		{"GET", url, http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}, "Accept": {"image/png"}}, 406},
		{"GET", url, http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}, "If-Match": {`"a"`}}, 412},
		{"HEAD", url, http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 200},
		{"POST", url, http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 405},
		{"GET", url + "?format=rss", http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 200},
		{"GET", url + "?format=json", http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 200},
		{"GET", url + "?format=html", http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 200},
		{"GET", archiveURL(t, l, s, 2), http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 200},
		{"GET", s.URL + "/", http.Header{"A-Im": {"feed"}, "If-None-Match": {tag}}, 200},
	} {
		response, _ := ask(t, test.method, test.url, test.header)
		h := response.Header
		if response.StatusCode != test.status || (h.Get("IM") != "") != (test.status == 226) || (h.Get("Delta-Base") != "") != (test.status == 226) {
			t.Errorf("%s %s %v: %d %v", test.method, test.url, test.header, response.StatusCode, h)
		}
	}
}

func TestDeltaIsDescribedAsTheWholeIs(t *testing.T) {
	l, s := serve(t)
	url := s.URL + "/feeds/f"
	have, _ := do(t, "GET", url)
	storetest.Append(t, l, "f", storetest.Events(251, 253))
	storetest.Drain(t, l, "f")
	decoders := map[string]func([]byte) ([]byte, error){
		"identity": func(b []byte) ([]byte, error) { return b, nil }, "gzip": gunzip, "zstd": compress.Unzstd,
	}
	for coding, decodeBody := range decoders {
		whole, _ := do(t, "GET", url, "Accept-Encoding", coding)
		// The tag of any coding is one of the same history.
		tags := `"other", ` + have.Header.Get("ETag")
		delta, body := do(t, "GET", url, "Accept-Encoding", coding, "A-IM", "feed", "If-None-Match", tags)
		for _, field := range []string{"ETag", "Vary", "Content-Type", "Content-Encoding"} {
			if delta.Header.Get(field) != whole.Header.Get(field) {
				t.Errorf("%s: %s %q, of the whole %q", coding, field, delta.Header.Get(field), whole.Header.Get(field))
			}
		}
		if h := delta.Header; delta.StatusCode != 226 || h.Get("IM") != "feed" || h.Get("Delta-Base") != have.Header.Get("ETag") || h.Get("Cache-Control") != "no-store" || h.Get("Date") == "" {
			t.Errorf("%s: %d %v", coding, delta.StatusCode, h)
		}
		text, err := decodeBody(body)
		must.OK(t, err)
		d, err := feed.Decode(text)
		must.OK(t, err)
		if must.OK(t, d.Check()); d.First != 251 || d.Last != 253 || delta.ContentLength != int64(len(body)) {
			t.Errorf("%s: %d to %d, Content-Length %d of %d", coding, d.First, d.Last, delta.ContentLength, len(body))
		}
		// Any reader takes it for a feed: it has a feed's metadata.
		if id, title := parseAtom(t, text).one(t, "id").Text, parseAtom(t, text).one(t, "title").Text; !strings.HasPrefix(id, "urn:uuid:") || title == "" {
			t.Errorf("%s: id %q, title %q", coding, id, title)
		}
	}
}
