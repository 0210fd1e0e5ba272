//go:build unix

package proxies_test

import (
	"net/http"
	"strings"
	"testing"
)

// past are the header fields that send a request past the cache.
var past = map[string]string{"A-Im": "feed", "Prefer": "wait=1", "Authorization": "Bearer none"}

func TestWhatTheServerMustSeeGoesPastTheCache(t *testing.T) {
	behind(t, func(t *testing.T, o *origin, proxy string) {
		for _, path := range []string{"/feeds/f", o.archive(t, 1)} {
			cached := do(t, "GET", proxy+path, "Accept-Encoding", "zstd")
			for name, value := range past {
				before := len(o.requests(path))
				for range 2 {
					a := do(t, "GET", proxy+path, "Accept-Encoding", "gzip, zstd", name, value, "If-None-Match", cached.Header.Get("ETag"))
					if a.StatusCode != 304 {
						t.Errorf("%s with %s: %d", path, name, a.StatusCode)
					}
				}
				seen := o.requests(path)[before:]
				if len(seen) != 2 || seen[1].request.Get(name) != value || seen[1].request.Get("If-None-Match") != cached.Header.Get("ETag") {
					t.Errorf("%s with %s: the server saw %+v", path, name, seen)
				}
			}
		}
	})
}

// A field in two lines is one list to the server. What a cache does not look at must not decide
// what others get.
func TestSecondLineOfAFieldCannotPoisonTheCache(t *testing.T) {
	behind(t, func(t *testing.T, o *origin, proxy string) {
		do(t, "GET", proxy+"/feeds/f", "Accept", "*/*;q=0.1", "Accept", "text/html", "Accept-Encoding", "identity")
		do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "identity;q=0.5", "Accept-Encoding", "zstd")
		do(t, "GET", proxy+"/feeds/f", "A-Im", "", "A-Im", "feed", "Prefer", "", "Prefer", "wait=1", "If-None-Match", `"x"`)
		a := do(t, "GET", proxy+"/feeds/f", "Accept", "*/*;q=0.1", "Accept-Encoding", "identity")
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/atom+xml" || a.Header.Get("Content-Encoding") != "" {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
		if !strings.HasSuffix(a.text(t), "</feed>\n") {
			t.Errorf("not the whole document: %.200s", a.body)
		}
		for _, e := range o.requests("/feeds/f") {
			for _, name := range []string{"Accept", "Accept-Encoding"} {
				if lines := e.request[http.CanonicalHeaderKey(name)]; len(lines) > 1 {
					t.Errorf("the server saw %s in lines: %q", name, lines)
				}
			}
		}
	})
}
