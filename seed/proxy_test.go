package seed_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
)

// faultAt is the archive of newSource that a proxy does not pass on.
const faultAt = "/4"

// newAnswering puts a proxy of HTTP in front of a feed's server. What is asked
// for in place of one archive gets the proxy's own answer, as often as times.
func newAnswering(t *testing.T, s *source, times int64, answer http.HandlerFunc) (proxy *httptest.Server, answered *atomic.Int64) {
	t.Helper()
	upstream, err := url.Parse(s.URL)
	must.OK(t, err)
	pass := httputil.NewSingleHostReverseProxy(upstream)
	answered = &atomic.Int64{}
	proxy = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, faultAt) && answered.Add(1) <= times {
			answer(w, r)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	return proxy, answered
}

func answerStatus(status int, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(fields); i += 2 {
			w.Header().Set(fields[i], fields[i+1])
		}
		w.WriteHeader(status)
	}
}

func answerBody(coding string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/atom+xml")
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		_, _ = w.Write(body)
	}
}

// TestWhatAProxyAnswersForAWhileIsWaitedFor: and all events come in once.
func TestWhatAProxyAnswersForAWhileIsWaitedFor(t *testing.T) {
	t.Parallel()
	half := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("<feed"))
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		least  time.Duration // until it asks again
	}{
		"429, to be left alone": {answerStatus(429, "Retry-After", "1"), time.Second},
		"503, to be left alone": {answerStatus(503, "Retry-After", "1"), time.Second},
		"500":                   {answerStatus(500), 0},
		"502":                   {answerStatus(502), 0},
		"504":                   {answerStatus(504), 0},
		"408":                   {answerStatus(408), 0},
		"half an answer":        {half, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 95)
			var first, second atomic.Int64
			proxy, answered := newAnswering(t, s, 1, func(w http.ResponseWriter, r *http.Request) {
				first.Store(time.Now().UnixNano())
				test.answer(w, r)
			})
			to := newFile(t)
			_, err := run(t, seed.Config{From: []string{proxy.URL + "/feeds/f"}, Into: to.Target, Prefetch: 2})
			second.Store(time.Now().UnixNano())
			must.OK(t, err)
			wantInbox(t, to, 95)
			if waited := time.Duration(second.Load() - first.Load()); answered.Load() != 2 || waited < test.least {
				t.Errorf("asked %d times, and waited for %s", answered.Load(), waited)
			}
		})
	}
}

// TestWhatAProxyAnswersForGoodStopsTheSeederAtOnce: with what came before it
// applied, and nothing behind it.
func TestWhatAProxyAnswersForGoodStopsTheSeederAtOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(elsewhere.Close)
	zeros := make([]byte, 10<<20) // five such parts are more than a document may have, each is small enough
	var member bytes.Buffer
	w := gzip.NewWriter(&member)
	_, err := w.Write(zeros)
	must.OK(t, errors.Join(err, w.Close()))
	deep := []byte(`<feed xmlns="http://www.w3.org/2005/Atom" xmlns:ef="` + feed.Namespace + `">` + strings.Repeat("<a>", 1<<20))
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"400":                       {answerStatus(400), "server answered 400"},
		"401":                       {answerStatus(401), "server answered 401"},
		"403":                       {answerStatus(403), "server answered 403"},
		"a bomb of gzip":            {answerBody("gzip", bytes.Repeat(member.Bytes(), 5)), "the document is larger than 48 MiB"},
		"a bomb of zstd":            {answerBody("zstd", bytes.Repeat(compress.Zstd(zeros), 5)), "the document is larger than 48 MiB"},
		"more than may be":          {answerStatus(200, "Content-Length", "999999999999"), "the document is larger than 48 MiB"},
		"a long header":             {answerStatus(200, "X-Long", strings.Repeat("x", 1<<20)), "header"},
		"deep XML":                  {answerBody("", deep), "elements inside one another"},
		"no feed":                   {answerBody("", []byte("<html><body>sign in</body></html>")), "root element is html"},
		"a redirect elsewhere":      {answerStatus(302, "Location", elsewhere.URL), "leads to another origin"},
		"a redirect to what it was": {answerStatus(307, "Location", "4"), "it is the tenth"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, 95)
			proxy, answered := newAnswering(t, s, 1<<30, test.answer)
			to := newFile(t)
			var said spoken
			_, err := run(t, seed.Config{From: []string{proxy.URL + "/feeds/f"}, Into: to.Target, Prefetch: 2, Patience: time.Hour, Logger: said.logger()})
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.HasPrefix(err.Error(), "gave up") || said.count(tryingAgain) > 0 {
				t.Fatalf("ended with %v, want %s: %s", err, test.says, said.text.String())
			}
			if !strings.Contains(err.Error(), proxy.URL) {
				t.Errorf("does not name the URL: %v", err)
			}
			wantInbox(t, to, 30)
			if n := answered.Load(); n > 10 || n > 2 && !strings.Contains(name, "to what it was") {
				t.Errorf("asked %d times", n)
			}
		})
	}
	if asked.Load() > 0 {
		t.Error("the other origin was asked")
	}
}
