//go:build unix

// Package proxies_test runs the server behind real proxies, with the configurations of deploy/, and
// in front of real clients.
package proxies_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// codings are those that the server has, as Accept-Encoding has them; the first has an empty
// Content-Encoding.
var codings = []string{"identity", "gzip", "zstd"}

func TestFinalArchiveReachesTheServerOncePerCoding(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		path := o.archive(t, 1)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for i := range 50 {
					a := do(t, "GET", proxy+path, "Accept-Encoding", codings[i%len(codings)])
					if a.StatusCode != 200 || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
						t.Errorf("%d %v", a.StatusCode, a.Header)
						return
					}
				}
			})
		}
		wg.Wait()
		if seen := o.requests(path); len(seen) != len(codings) {
			t.Errorf("1000 requests reached the server %d times: %v", len(seen), seen)
		}
	})
}

func TestManyWaysToAskForACodingShareItsCopy(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		path := o.archive(t, 1)
		for accept, want := range map[string]string{
			"":                                      "",
			"identity":                              "",
			"br":                                    "",
			"*":                                     "",
			"x-zstd":                                "",
			"zstd;q=0, gzip;q=0.000":                "",
			"identity, gzip;q=0.5":                  "",
			"gzip":                                  "gzip",
			"gzip, deflate":                         "gzip",
			"gzip, deflate, br":                     "gzip",
			"deflate, gzip;q=1.0, *;q=0.5":          "gzip",
			"gzip;q=0.001":                          "gzip",
			"GZip":                                  "gzip",
			"zstd;q=0, gzip":                        "gzip",
			"zstd;q=0.5,gzip":                       "gzip",
			"zstd":                                  "zstd",
			"gzip, deflate, br, zstd":               "zstd",
			"zstd;q=1.0, gzip;q=0.8":                "zstd",
			"deflate;q=0.1,gzip;q=0.5,zstd ; q=0.7": "zstd",
		} {
			a := do(t, "GET", proxy+path, "Accept-Encoding", accept)
			if got := a.Header.Get("Content-Encoding"); a.StatusCode != 200 || got != want {
				t.Errorf("Accept-Encoding %q: %d, Content-Encoding %q, want %q", accept, a.StatusCode, got, want)
			}
		}
		if seen := o.requests(path); len(seen) != len(codings) {
			t.Errorf("reached the server %d times: %v", len(seen), seen)
		}
	})
}

func TestCodingsNeverMix(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		paths := []string{o.archive(t, 1), o.archive(t, 2), "/feeds/f"}
		want := map[string]answer{} // by path and coding, from the server itself
		for _, path := range paths {
			for _, coding := range codings {
				want[path+coding] = do(t, "GET", o.URL+path, "Accept-Encoding", coding)
			}
		}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					path, coding := paths[rand.IntN(len(paths))], codings[rand.IntN(len(codings))]
					header := []string{"Accept-Encoding", coding}
					tag := want[path+codings[rand.IntN(len(codings))]].Header.Get("ETag")
					if rand.IntN(2) == 0 {
						header = append(header, "If-None-Match", tag)
					}
					compare(t, do(t, "GET", proxy+path, header...), want[path+coding], tag)
				}
			})
		}
		wg.Wait()
	})
}

// compare compares an answer through a proxy with the server's own. The tag is what the client
// said it has, if it did.
func compare(t *testing.T, got, want answer, tag string) {
	t.Helper()
	conditional := got.Request != nil && got.Request.Header.Get("If-None-Match") != ""
	if got.Header.Get("ETag") != want.Header.Get("ETag") {
		t.Errorf("%v: ETag %s, want %s", got.Request.Header, got.Header.Get("ETag"), want.Header.Get("ETag"))
	}
	if conditional && tag == want.Header.Get("ETag") {
		if got.StatusCode != 304 || len(got.body) != 0 {
			t.Errorf("%v: %d, want 304", got.Request.Header, got.StatusCode)
		}
		return
	}
	if got.StatusCode != 200 || got.Header.Get("Content-Encoding") != want.Header.Get("Content-Encoding") || !bytes.Equal(got.body, want.body) {
		t.Errorf("%v: %d, Content-Encoding %q, %d bytes; want %q, %d bytes", got.Request.Header,
			got.StatusCode, got.Header.Get("Content-Encoding"), len(got.body), want.Header.Get("Content-Encoding"), len(want.body))
	}
}

func TestSubscriptionDocumentIsRevalidatedByItsETag(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		get := func() answer { return do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "gzip") }
		first := get()
		await(t, "revalidated three times", get, func(a answer) bool {
			if a.StatusCode != 200 || !bytes.Equal(a.body, first.body) {
				t.Fatalf("%d %v", a.StatusCode, a.Header)
			}
			return len(o.requests("/feeds/f")) >= 4
		})
		for i, e := range o.requests("/feeds/f") {
			if i > 0 && (e.status != 304 || e.bytes != 0 || e.request.Get("If-None-Match") != first.Header.Get("ETag")) {
				t.Errorf("request %d: %+v", i, e)
			}
		}
		o.grow(t, 251, 251)
		await(t, "the new event", get, func(a answer) bool { return strings.Contains(a.text(t), `position="251"`) })
	})
}

// After a pause nobody gets what was there before it, not even one of many who ask at once: a cache
// that hands out the old document while it fetches the new one makes followers late by as long as
// nobody asked.
func TestNothingIsGivenOutAfterItsTime(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		old := do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "gzip")
		o.grow(t, 251, 251)
		await(t, "expired", func() answer { return do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "zstd") },
			func(answer) bool { return len(o.requests("/feeds/f")) >= 4 }) // by the clock of another copy
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if a := do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "gzip"); a.Header.Get("ETag") == old.Header.Get("ETag") {
					t.Error("the old document, after its time")
				}
			})
		}
		wg.Wait()
	})
}

func TestPageAskedForBeforeItExistsAppearsAsSoonAsItDoes(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		for _, path := range []string{o.archive(t, 3), "/feeds/f/archive/none/1"} {
			for range 3 {
				if a := do(t, "GET", proxy+path); a.StatusCode != 404 {
					t.Fatalf("%s: %d", path, a.StatusCode)
				}
			}
		}
		o.grow(t, 251, 450)
		path := o.archive(t, 3)
		before := len(o.requests(path))
		for range 10 {
			if a := do(t, "GET", proxy+path); a.StatusCode != 200 || !strings.Contains(a.text(t), `position="201"`) {
				t.Fatalf("page 3: %d %v", a.StatusCode, a.Header)
			}
		}
		if asked := len(o.requests(path)) - before; asked != 1 {
			t.Errorf("the page that is there now reached the server %d times", asked)
		}
	})
}

func TestFeedAskedForBeforeItExistsAppearsAsSoonAsItDoes(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		if a := do(t, "GET", proxy+"/feeds/g"); a.StatusCode != 404 {
			t.Fatal(a.StatusCode)
		}
		createFeed(t, o, "g")
		if a := do(t, "GET", proxy+"/feeds/g"); a.StatusCode != 200 {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
	})
}

func TestNewestArchiveIsReplacedByItsFinalForm(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		path := o.archive(t, 2)
		get := func() answer { return do(t, "GET", proxy+path) }
		if a := get(); strings.Contains(a.text(t), "next-archive") {
			t.Fatal("the newest archive has a next one")
		}
		o.grow(t, 251, 300)
		await(t, "final", get, func(a answer) bool { return strings.Contains(a.text(t), "next-archive") })
	})
}

func TestHEADIsGETWithoutTheBody(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		for _, path := range []string{"/", "/feeds/f", o.archive(t, 1)} {
			var heads []string
			for _, method := range []string{"HEAD", "GET", "HEAD"} {
				a := do(t, method, proxy+path, "Accept-Encoding", "gzip")
				if a.StatusCode != 200 || (len(a.body) > 0) != (method == "GET") {
					t.Errorf("%s %s: %d, %d bytes", method, path, a.StatusCode, len(a.body))
				}
				heads = append(heads, fmt.Sprint(a.Header.Get("ETag"), a.Header.Get("Content-Encoding"), a.Header.Get("Content-Type"), a.ContentLength))
			}
			if len(slices.Compact(heads)) != 1 {
				t.Errorf("%s: %v", path, heads)
			}
		}
	})
}

func TestArchivesInTheCacheOutliveTheServer(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		path := o.archive(t, 1)
		want := do(t, "GET", proxy+path)
		o.CloseClientConnections()
		o.Close()
		for range 3 {
			if a := do(t, "GET", proxy+path); a.StatusCode != 200 || !bytes.Equal(a.body, want.body) {
				t.Errorf("%d %v", a.StatusCode, a.Header)
			}
		}
		// And what is not known any more is not made up.
		await(t, "an error", func() answer { return do(t, "GET", proxy+"/feeds/f") }, func(a answer) bool { return a.StatusCode >= 500 })
	})
}

// A page of the old epoch is cached for a year where it is final, and moves to the new epoch
// where it was not.
func TestPagesAfterANewEpoch(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		final, newest := o.archive(t, 1), o.archive(t, 2)
		want := do(t, "GET", proxy+final)
		if a := do(t, "GET", proxy+newest); a.StatusCode != 200 {
			t.Fatal(a.StatusCode)
		}
		lost := o.archive(t, 3)
		newEpoch(t, o)
		for range 3 {
			if a := do(t, "GET", proxy+lost); a.StatusCode != 410 {
				t.Errorf("page 3 of the old epoch: %d", a.StatusCode)
			}
		}
		if a := do(t, "GET", proxy+final); a.StatusCode != 200 || !bytes.Equal(a.body, want.body) || len(o.requests(final)) != 1 {
			t.Errorf("page 1 of the old epoch: %d, reached the server %d times", a.StatusCode, len(o.requests(final)))
		}
		direct := do(t, "GET", o.URL+newest)
		await(t, "as the server has it", func() answer { return do(t, "GET", proxy+newest) }, func(a answer) bool {
			return a.StatusCode == direct.StatusCode && bytes.Equal(a.body, direct.body)
		})
		o.grow(t, 251, 450)
		if a := do(t, "GET", proxy+o.archive(t, 3)); a.StatusCode != 200 {
			t.Errorf("page 3 of the new epoch: %d", a.StatusCode)
		}
	})
}

// The proxy says who asked and for what; nobody can say it in its place.
func TestForwardedFieldsAreTheProxys(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		r := request(t.Context(), t, "GET", proxy+"/feeds/f",
			"Forwarded", "for=192.0.2.1;host=evil.example;proto=https", "X-Forwarded-For", "192.0.2.1",
			"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher", "X-Forwarded-Port", "666", "X-Forwarded-Prefix", "/evil")
		r.Host = "feeds.example:81"
		response, err := plain.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		seen := o.requests("/feeds/f")
		if len(seen) != 1 {
			t.Fatal(seen)
		}
		for name, want := range map[string]string{
			"Forwarded": "[]", "X-Forwarded-Prefix": "[]", "X-Forwarded-Port": "[]", "X-Forwarded-For": "[127.0.0.1]",
			"X-Forwarded-Host": "[feeds.example:81]", "X-Forwarded-Proto": "[http]",
		} {
			if got := fmt.Sprint(seen[0].request[http.CanonicalHeaderKey(name)]); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
}

// An id may have any character, so a path may have any encoded one.
func TestPathsPassAsTheyAre(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		path := "/feeds/f/events/a%2Fb%20%3F%23%25%C3%BC..?source=%2Fa%26b+c"
		do(t, "GET", proxy+path)
		if len(o.requests(path)) != 1 {
			t.Errorf("%v", o.seen)
		}
	})
}
