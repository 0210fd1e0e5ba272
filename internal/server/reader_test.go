package server_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/access"
	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcert"
)

// listed returns a server with a feed "f" of 250 events, 100 a page, and the list of its readers.
func listed(t *testing.T, change ...func(*server.Config)) (*store.Log, *httptest.Server, *readers.List) {
	t.Helper()
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	storetest.Append(t, l, "f", storetest.Events(1, 250))
	storetest.Drain(t, l, "f")
	list := &readers.List{}
	change = append(change, func(c *server.Config) { c.Readers = list })
	return l, servertest.Serve(t, l, change...), list
}

// shown describes the readers in the list, without times.
func shown(list *readers.List) (text string) {
	for _, r := range list.All() {
		text += fmt.Sprintf("%s %s at %d", r.Kind, r.Name, r.Position)
		if r.OtherHistory {
			text += ", of another history"
		}
		if r.Page > 0 {
			text += fmt.Sprintf(", page %d", r.Page)
		}
		if r.Waiting > 0 {
			text += fmt.Sprintf(", %d wait", r.Waiting)
		}
		text += "\n"
	}
	return text
}

func wantShown(t *testing.T, list *readers.List, what, want string) {
	t.Helper()
	if got := shown(list); got != want {
		t.Errorf("%s:\n%s, want\n%s", what, got, want)
	}
}

// untilShown waits for what another request does.
func untilShown(t *testing.T, list *readers.List, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); shown(list) != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got\n%s, want\n%s", shown(list), want)
		}
	}
}

// The position of a reader is where the document ends that it has, in every form.
func TestReadersPositionIsTheEndOfWhatItHas(t *testing.T) {
	l, s, list := listed(t)
	const me = "address 127.0.0.1 at "
	for _, form := range []string{"atom", "rss", "json", "cloudevents"} {
		url := s.URL + "/feeds/f?format=" + form
		before, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		response, _ := do(t, "GET", url)
		wantShown(t, list, form, fmt.Sprintf("%s%d\n", me, before.Published))
		tag := response.Header.Get("ETag")
		do(t, "GET", archiveURL(t, l, s, 1)+"?format=atom")
		wantShown(t, list, form+", an archive", fmt.Sprintf("%s%d, page 1\n", me, before.Published))
		if response, _ := do(t, "GET", url, "If-None-Match", tag); response.StatusCode != 304 {
			t.Errorf("%s: %d", form, response.StatusCode)
		}
		wantShown(t, list, form+", 304", fmt.Sprintf("%s%d\n", me, before.Published))
		storetest.Append(t, l, "f", storetest.Events(int(before.Published)+1, int(before.Published)+1))
		storetest.Drain(t, l, "f")
		do(t, "HEAD", url, "If-None-Match", tag)
		wantShown(t, list, form+", HEAD", fmt.Sprintf("%s%d\n", me, before.Published))
		do(t, "GET", url, "If-None-Match", tag, "A-IM", "feed")
		wantShown(t, list, form+", the next", fmt.Sprintf("%s%d\n", me, before.Published+1))
	}
	do(t, "GET", archiveURL(t, l, s, 2)+"?format=cloudevents")
	wantShown(t, list, "an archive in another form", me+"254, page 2\n")
	do(t, "GET", s.URL+"/feeds/f")
	do(t, "GET", archiveURL(t, l, s, 1))
	do(t, "GET", archiveURL(t, l, s, 2))
	wantShown(t, list, "two archives forward", me+"200, page 2\n")
	do(t, "GET", s.URL+"/feeds/f", "If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT", "If-None-Match", `"of-another-server"`)
	wantShown(t, list, "an ETag of another server", me+"254\n")
}

// A reader that asks for the events after the same position again, whether or not the document reaches back to
// it, has not got forward. Its address is noted.
func TestReaderThatAsksForTheSameAgainKeepsItsPosition(t *testing.T) {
	for _, n := range []int{5, 700} {
		t.Run(fmt.Sprint(n, " events"), func(t *testing.T) {
			l, s, list := listed(t)
			response, _ := do(t, "GET", s.URL+"/feeds/f")
			tag := response.Header.Get("ETag")
			storetest.Append(t, l, "f", storetest.Events(251, 250+n))
			storetest.Drain(t, l, "f")
			for _, want := range []int{250 + n, 250, 250} {
				do(t, "GET", s.URL+"/feeds/f", "If-None-Match", tag)
				wantShown(t, list, "the same again", fmt.Sprintf("address 127.0.0.1 at %d\n", want))
			}
			if r := list.All()[0]; r.Repeats != 2 || r.Address != "127.0.0.1" {
				t.Errorf("%+v", r)
			}
		})
	}
}

// People in browsers are no consumers, and who is not admitted is nobody.
func TestPagesForPeopleAndRefusedRequestsAreNotNoted(t *testing.T) {
	l, s, list := listed(t)
	browser := []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64)", "Accept", "text/html"}
	for _, url := range []string{
		s.URL + "/", s.URL + "/feeds/f", s.URL + "/feeds/none", archiveURL(t, l, s, 1), archiveURL(t, l, s, 9), s.URL + "/feeds/f/events/7",
	} {
		do(t, "GET", url, browser...)
	}
	do(t, "GET", s.URL+"/feeds/none")
	do(t, "GET", archiveURL(t, l, s, 9))
	do(t, "GET", s.URL+"/feeds/f?format=none")
	do(t, "HEAD", s.URL+"/feeds/f/stream", browser...)
	wantShown(t, list, "nobody", "")
}

// An ETag of a history that the feed does not have is no position, and stays so until the reader
// shows one of the feed's own.
func TestETagOfAnotherHistoryIsNoPosition(t *testing.T) {
	l, s, list := listed(t)
	response, _ := do(t, "GET", s.URL+"/feeds/f")
	tag := response.Header.Get("ETag")
	parts := strings.Split(strings.Trim(tag, `"`), "-")
	with := func(n int, text string) string {
		changed := append([]string{}, parts...)
		changed[n] = text
		return `"` + strings.Join(changed, "-") + `"`
	}
	const other = "address 127.0.0.1 at 0, of another history\n"
	do(t, "GET", s.URL+"/feeds/f", "If-None-Match", with(1, "0123456789abcdef"))
	wantShown(t, list, "another digest", other)
	do(t, "GET", s.URL+"/feeds/f")
	wantShown(t, list, "then without an ETag", "address 127.0.0.1 at 250, of another history\n")
	do(t, "GET", archiveURL(t, l, s, 2))
	wantShown(t, list, "an archive", "address 127.0.0.1 at 250, of another history, page 2\n")
	do(t, "GET", s.URL+"/feeds/f", "If-None-Match", tag)
	wantShown(t, list, "with an ETag of the feed's own", "address 127.0.0.1 at 250\n")
	do(t, "GET", s.URL+"/feeds/f", "If-None-Match", with(0, "900"))
	wantShown(t, list, "a position that the feed does not have", other)
	do(t, "GET", s.URL+"/feeds/f", "If-None-Match", with(1, "0123456789abcdef")+", "+tag)
	wantShown(t, list, "one of the feed's own among them", "address 127.0.0.1 at 250\n")
}

func TestReadersThatWaitAreShownWhileTheyWait(t *testing.T) {
	_, s, list := listed(t)
	response, _ := do(t, "GET", s.URL+"/feeds/f")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for _, header := range [][]string{
		{"/feeds/f", "If-None-Match", response.Header.Get("ETag"), "Prefer", "wait=60"},
		{"/feeds/f/stream", "Last-Event-ID", "190", "User-Agent", "streamer/2"},
	} {
		path := header[0]
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
		must.OK(t, err)
		request.Header.Set("Accept-Encoding", "identity")
		for i := 1; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		go func() {
			if response, err := http.DefaultClient.Do(request); err == nil {
				defer func() { _ = response.Body.Close() }()
				<-ctx.Done()
			}
		}()
		if path == "/feeds/f" {
			untilShown(t, list, "address 127.0.0.1 at 250, 1 wait\n")
		}
	}
	untilShown(t, list, "address 127.0.0.1 at 250, 1 wait\naddress 127.0.0.1 at 250, 1 wait\n")
	leave()
	untilShown(t, list, "address 127.0.0.1 at 250\naddress 127.0.0.1 at 250\n")
}

// The reader is who a token names; who comes without a good one is not noted.
func TestReaderHasTheNameOfItsToken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.toml")
	must.OK(t, os.WriteFile(file, fmt.Appendf(nil, "[[token]]\nname = \"shipping\"\nsha256 = \"%x\"\nread = [\"f\"]\n", sha256.Sum256([]byte("secret"))), 0o600))
	tokens, err := access.LoadTokens(file, slog.New(slog.DiscardHandler))
	must.OK(t, err)
	_, s, list := listed(t, func(c *server.Config) { c.Grants = tokens })
	do(t, "GET", s.URL+"/feeds/f")
	do(t, "GET", s.URL+"/feeds/f", "Authorization", "Bearer wrong")
	do(t, "GET", s.URL+"/feeds/g", "Authorization", "Bearer secret")
	wantShown(t, list, "nobody", "")
	do(t, "GET", s.URL+"/feeds/f", "Authorization", "Bearer secret")
	wantShown(t, list, "with a token", "token shipping at 250\n")
}

func TestReaderHasTheNameOfItsCertificate(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 100)
	list, authority := &readers.List{}, testcert.New(t)
	s := httptest.NewUnstartedServer(servertest.Handler(t, l, func(c *server.Config) { c.Readers = list }))
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority.Pool(), MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	pair, err := tls.X509KeyPair(authority.Issue(t, "billing", time.Now().Add(time.Hour)))
	must.OK(t, err)
	client := s.Client()
	client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{pair}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/feeds/f", nil)
	must.OK(t, err)
	response, err := client.Do(request)
	must.OK(t, err)
	_ = response.Body.Close()
	wantShown(t, list, "with a certificate", "certificate billing at 0\n")
}

// A cache in between is the reader, unless it is trusted to say for whom it asks.
func TestReaderBehindAProxyIsTheProxyUnlessThatIsTrusted(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]string{"": "127.0.0.1", "127.0.0.0/8": "2001:db8::7"} {
		l := storetest.Open(t, storetest.Databases["sqlite"](t))
		storetest.Create(t, l, "f", 100)
		list := &readers.List{}
		rules, err := forwarded.ParseTrusted(trusted)
		must.OK(t, err)
		s := servertest.Serve(t, l, func(c *server.Config) { c.Readers, c.Origin.Trusted = list, rules })
		do(t, "GET", s.URL+"/feeds/f", "X-Forwarded-For", "2001:db8::7")
		wantShown(t, list, "trusted "+trusted, "address "+want+" at 0\n")
	}
}

// BenchmarkUnchanged is the request that a server answers most: a reader that has the newest document.
func BenchmarkUnchanged(b *testing.B) {
	for name, list := range map[string]*readers.List{"readers=none": nil, "readers=kept": {}} {
		b.Run(name, func(b *testing.B) {
			l := storetest.Open(b, storetest.Databases["sqlite"](b))
			storetest.Create(b, l, "f", 100)
			storetest.Append(b, l, "f", storetest.Events(1, 50))
			storetest.Drain(b, l, "f")
			feeds, err := feedstate.Open(b.Context(), l, slog.New(slog.DiscardHandler))
			must.OK(b, err)
			handler := server.New(server.Config{Log: l, Feeds: feeds, Readers: list, ClientRequests: 1000})
			request := func(tag string) *http.Request {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, feed.SubscriptionPath("f"), http.NoBody)
				r.Header.Set("If-None-Match", tag)
				r.Header.Set("User-Agent", "eventfeed")
				return r
			}
			first := httptest.NewRecorder()
			handler.ServeHTTP(first, request(`"-"`))
			again := request(first.Header().Get("ETag"))
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, again)
				if w.Code != http.StatusNotModified {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
