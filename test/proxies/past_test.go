//go:build unix

package proxies_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// past are the header fields that send a request past the cache.
var past = map[string]string{"A-Im": "feed", "Prefer": "wait=0", "Authorization": "Bearer none", "Cache-Control": "no-cache"}

func TestWhatTheServerMustSeeGoesPastTheCache(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
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
	behind(t, func(t *testing.T, o *backend, proxy string) {
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

// One in three asks for a delta, all at once, while the feed grows: whoever did not ask gets whole
// documents, and who did gets what is new to him.
func TestDeltaIsGivenOnlyToThoseWhoAskForIt(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		old := map[string]string{}
		for _, coding := range codings {
			old[coding] = do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", coding).Header.Get("ETag")
		}
		for last := 251; last <= 254; last++ {
			o.grow(t, last, last)
			var wg sync.WaitGroup
			for range 12 {
				wg.Go(func() {
					for range 10 {
						coding := codings[rand.IntN(len(codings))]
						header := []string{"Accept-Encoding", coding, "If-None-Match", old[coding]}
						if rand.IntN(3) == 0 {
							checkDelta(t, do(t, "GET", proxy+"/feeds/f", append(header, "A-Im", "feed")...), last)
						} else {
							checkWhole(t, do(t, "GET", proxy+"/feeds/f", header[:2+2*rand.IntN(2)]...))
						}
					}
				})
			}
			wg.Wait()
		}
	})
}

func checkDelta(t *testing.T, a answer, last int) {
	t.Helper()
	text := a.text(t)
	if a.StatusCode != 226 || a.Header.Get("Im") != "feed" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("delta: %d %v", a.StatusCode, a.Header)
	}
	if n := strings.Count(text, "<entry>"); n != last-250 || !strings.Contains(text, fmt.Sprintf(`position="%d"`, last)) {
		t.Errorf("delta: %d entries, want those from 251 to %d", n, last)
	}
}

func checkWhole(t *testing.T, a answer) {
	t.Helper()
	if a.StatusCode == 304 { // by a copy that is not a second old
		return
	}
	if n := strings.Count(a.text(t), "<entry>"); a.StatusCode != 200 || a.Header.Get("Im") != "" || n < 50 {
		t.Errorf("whole document: %d %v, %d entries", a.StatusCode, a.Header, n)
	}
}

func TestWaitingRequestIsAnsweredAtOnceWhenAnEventComes(t *testing.T) {
	behindThe(t, startLive, func(t *testing.T, o *backend, proxy string) {
		tag := do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "zstd").Header.Get("ETag")
		answers := make(chan answer)
		const readers = 5
		for range readers {
			go func() {
				answers <- do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "zstd", "Prefer", "wait=55", "If-None-Match", tag)
			}()
		}
		await(t, "waiting", func() answer { return answer{} }, func(answer) bool { return len(o.requests("/feeds/f")) >= 1+readers })
		storetest.Append(t, o.log, "f", storetest.Events(251, 251))
		for range readers {
			// After the time it would be 304.
			if a := <-answers; a.StatusCode != 200 || a.Header.Get("Preference-Applied") != "wait=55" || !strings.Contains(a.text(t), `position="251"`) {
				t.Errorf("%d %v", a.StatusCode, a.Header)
			}
		}
	})
}

func TestWaitingRequestEndsWithItsTime(t *testing.T) {
	behindThe(t, startLive, func(t *testing.T, o *backend, proxy string) {
		tag := do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "zstd").Header.Get("ETag")
		a := do(t, "GET", proxy+"/feeds/f", "Accept-Encoding", "zstd", "Prefer", "wait=1", "If-None-Match", tag)
		if a.StatusCode != 304 || a.Header.Get("ETag") != tag || len(a.body) > 0 {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
		if seen := o.requests("/feeds/f"); len(seen) != 2 || seen[1].status != 304 {
			t.Errorf("%+v", seen)
		}
	})
}

// Two streams of one feed at once, each event as it comes: neither held back, nor shared, nor one
// after the other.
func TestStreamsPassAtOnce(t *testing.T) {
	behindThe(t, startLive, func(t *testing.T, o *backend, proxy string) {
		var streams []*bufio.Scanner
		for _, last := range []string{"250", "249"} {
			response, err := plain.Do(request(t.Context(), t, "GET", proxy+"/feeds/f/stream", "Accept", "text/event-stream", "Last-Event-Id", last))
			must.OK(t, err)
			t.Cleanup(func() { _ = response.Body.Close() })
			streams = append(streams, bufio.NewScanner(response.Body))
		}
		expectEvent(t, streams[1], 250) // resumes
		for n := 251; n <= 260; n++ {
			storetest.Append(t, o.log, "f", storetest.Events(n, n))
			for _, stream := range streams {
				expectEvent(t, stream, n) // before the next one is even there
			}
		}
	})
}

func expectEvent(t *testing.T, stream *bufio.Scanner, position int) {
	t.Helper()
	for stream.Scan() {
		if id, found := strings.CutPrefix(stream.Text(), "id: "); found {
			if id != fmt.Sprint(position) {
				t.Fatalf("event %s, want %d", id, position)
			}
			return
		}
	}
	t.Fatalf("the stream ends before event %d: %v", position, stream.Err())
}

// What RSS and JSON Feed hold as absolute URLs is as the client has asked, and not as another one has.
func TestAbsoluteURLsAreNobodyElses(t *testing.T) {
	behind(t, func(t *testing.T, o *backend, proxy string) {
		for i, before := range []struct {
			host   string
			header []string
		}{
			{"evil.example", nil},
			{"feeds.example:666", nil},
			{"feeds.example", []string{"X-Forwarded-Host", "evil.example"}},
			{"feeds.example", []string{"X-Forwarded-Port", "666"}},
			{"feeds.example", []string{"X-Forwarded-Proto", "https"}},
			{"feeds.example", []string{"X-Forwarded-Prefix", "/evil"}},
			{"feeds.example", []string{"Forwarded", "host=evil.example;proto=https"}},
		} {
			for _, form := range []string{"rss", "json"} {
				url := fmt.Sprintf("%s/feeds/f?format=%s&copy=%d", proxy, form, i)
				getFrom(t, before.host, url, before.header...)
				if text := getFrom(t, "feeds.example", url); !strings.Contains(text, `"http://feeds.example/feeds/f`) ||
					strings.Contains(text, "evil") || strings.Contains(text, "example:666") || strings.Contains(text, "https://feeds.example") {
					t.Errorf("after %v: %.600s", before, text)
				}
			}
		}
	})
}

// getFrom asks for a URL by another name of its host.
func getFrom(t *testing.T, host, url string, header ...string) string {
	t.Helper()
	r := request(t.Context(), t, "GET", url, append(header, "Accept-Encoding", "identity")...)
	r.Host = host
	response, err := plain.Do(r)
	must.OK(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must.OK(t, err)
	return string(body)
}
