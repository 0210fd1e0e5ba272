package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func decode(t *testing.T, body []byte) *feed.Document {
	t.Helper()
	d, err := feed.Decode(body)
	must.OK(t, err)
	must.OK(t, d.Check())
	return d
}

func TestDeltaIsJustWhatIsNew(t *testing.T) {
	l, s := serve(t)
	url := s.URL + "/feeds/f"
	before, _ := do(t, "GET", url)
	storetest.Append(t, l, "f", storetest.Events(251, 253))
	storetest.Drain(t, l, "f")
	whole, _ := do(t, "GET", url)
	for _, test := range []struct {
		name, manipulation, have string
		status                   int
		first, last              int64
	}{
		{"asked for", "feed", before.Header.Get("ETag"), 226, 251, 253},
		{"among others", "vcdiff, FEED;q=0.5, gzip", `"x", ` + before.Header.Get("ETag"), 226, 251, 253},
		{"of a weak tag", "feed", "W/" + before.Header.Get("ETag"), 226, 251, 253},
		{"not wanted", "feed;q=0", before.Header.Get("ETag"), 200, 201, 253},
		{"another manipulation", "vcdiff", before.Header.Get("ETag"), 200, 201, 253},
		{"not asked for", "", before.Header.Get("ETag"), 200, 201, 253},
		{"of nothing", "feed", "", 200, 201, 253},
		{"of no tag of ours", "feed", `"250-0123456789abcdef-x"`, 200, 201, 253},
		{"of a future", "feed", strings.Replace(before.Header.Get("ETag"), "250-", "999-", 1), 200, 201, 253},
		{"of what is archived", "feed", strings.Replace(before.Header.Get("ETag"), "250-", "2-", 1), 200, 201, 253},
	} {
		header := []string{"If-None-Match", test.have}
		if test.have == "" {
			header = nil
		}
		if test.manipulation != "" {
			header = append(header, "A-IM", test.manipulation)
		}
		response, body := do(t, "GET", url, header...)
		d := decode(t, body)
		if response.StatusCode != test.status || d.First != test.first || d.Last != test.last {
			t.Errorf("%s: %d with positions %d to %d", test.name, response.StatusCode, d.First, d.Last)
		}
		if response.Header.Get("ETag") != whole.Header.Get("ETag") {
			t.Errorf("%s: ETag %s is not that of the whole document", test.name, response.Header.Get("ETag"))
		}
		if vary := response.Header.Get("Vary"); vary != "Accept, Accept-Encoding, A-IM, Prefer" {
			t.Errorf("%s: Vary %q", test.name, vary)
		}
		if test.status != 226 {
			continue
		}
		if h := response.Header; h.Get("IM") != "feed" || h.Get("Cache-Control") != "no-store" || h.Get("Delta-Base") != strings.TrimPrefix(test.have, `"x", `) {
			t.Errorf("%s: %v", test.name, h)
		}
	}
}

func TestDeltaEndsWithTheDocumentThatAClientHas(t *testing.T) {
	l, s := serve(t)
	url := s.URL + "/feeds/f"
	tag := ""
	seen := int64(0)
	for n := 251; n < 420; n += 7 {
		response, body := do(t, "GET", url, "A-IM", "feed", "If-None-Match", tag, "Accept-Encoding", "identity")
		d := decode(t, body)
		if tag != "" && d.First != seen+1 {
			t.Fatalf("%d with positions %d to %d after %d", response.StatusCode, d.First, d.Last, seen)
		}
		tag, seen = response.Header.Get("ETag"), d.Last
		again, body := do(t, "GET", url, "A-IM", "feed", "If-None-Match", tag)
		if again.StatusCode != http.StatusNotModified || len(body) > 0 {
			t.Errorf("the same again: %d", again.StatusCode)
		}
		storetest.Append(t, l, "f", storetest.Events(n, n+6))
		storetest.Drain(t, l, "f") // seals a page now and then
	}
}

func TestNoDeltaGoesAcrossALoss(t *testing.T) {
	l, s := serve(t)
	before, _ := do(t, "GET", s.URL+"/feeds/f")
	must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
	storetest.Append(t, l, "f", storetest.Events(251, 251))
	storetest.Drain(t, l, "f")
	response, body := do(t, "GET", s.URL+"/feeds/f", "A-IM", "feed", "If-None-Match", before.Header.Get("ETag"))
	if d := decode(t, body); response.StatusCode == 226 && d.First != 251 {
		t.Errorf("%d with positions %d to %d", response.StatusCode, d.First, d.Last)
	}
}

func TestHEADGetsNoDelta(t *testing.T) {
	l, s := serve(t)
	before, _ := do(t, "GET", s.URL+"/feeds/f")
	storetest.Append(t, l, "f", storetest.Events(251, 251))
	storetest.Drain(t, l, "f")
	if head, _ := do(t, "HEAD", s.URL+"/feeds/f", "A-IM", "feed", "If-None-Match", before.Header.Get("ETag")); head.StatusCode != 200 {
		t.Errorf("%d %v", head.StatusCode, head.Header)
	}
}
