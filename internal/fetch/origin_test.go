package fetch_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func TestOriginHasOneForm(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"http://a.example/x?y":        "http://a.example",
		"HTTP://u:p@A.Example:80/x":   "http://a.example",
		"https://a.example:443":       "https://a.example",
		"https://a.example:80":        "https://a.example:80",
		"http://a.example:443":        "http://a.example:443",
		"http://[::1]:80/x":           "http://[::1]",
		"http://[2001:DB8::1]:8080/x": "http://[2001:db8::1]:8080",
		"http://a.example:/":          "http://a.example",
	} {
		if got := fetch.Origin(parse(t, raw)); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
	for _, raw := range []string{"", "a.example", "ftp://a.example", "http://a.example/feeds", "http://u:sekret@a.example", "http://a.example?x", "http:a.example", "http://sekret:sekret@%zz"} {
		if origin, err := fetch.ParseOrigin(raw); err == nil || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%s is origin %s, %v", raw, origin, err)
		}
	}
}

// seen is what a server was shown.
type seen struct{ atomic.Pointer[http.Request] }

func (s *seen) shows(name string) string {
	r := s.Load()
	if r == nil {
		return "(no request)"
	}
	return strings.Join(r.Header.Values(name), ",")
}

// TestCredentialsStayOnTheFeedsOrigin: whatever redirect leads away, and back.
func TestCredentialsStayOnTheFeedsOrigin(t *testing.T) {
	t.Parallel()
	const basic = "Basic dTpwLzE=" // u, p/1
	var home, other seen
	var away, back string
	elsewhere := serve(t, func(w http.ResponseWriter, r *http.Request) {
		other.Store(r)
		if strings.HasPrefix(r.URL.Path, "/back") {
			http.Redirect(w, r, back+"/end", http.StatusFound)
		}
	})
	own := serve(t, func(w http.ResponseWriter, r *http.Request) {
		home.Store(r)
		switch r.URL.Path {
		case "/relative":
			http.Redirect(w, r, "/end?secret=1", http.StatusFound)
		case "/absolute":
			http.Redirect(w, r, back+"/end", http.StatusMovedPermanently)
		case "/credentials": // of a link
			http.Redirect(w, r, strings.Replace(back, "://", "://evil:evil@", 1)+"/end", http.StatusMovedPermanently)
		case "/away":
			http.Redirect(w, r, strings.Replace(away, "://", "://evil:evil@", 1)+"/end", http.StatusTemporaryRedirect)
		case "/around":
			http.Redirect(w, r, away+"/back", http.StatusPermanentRedirect)
		}
	})
	away, back = elsewhere.URL, own.URL
	feed := strings.Replace(own.URL, "://", "://u:p%2F1@", 1)
	client := newClient()
	client.Feed = parse(t, feed+"/feed")
	client.Credentials = func() (http.Header, error) {
		return http.Header{"X-Api-Key": {"sekret"}, "Cookie": {"a=sekret"}, "Authorization": {"Bearer of-the-other-kind"}}, nil
	}
	for _, path := range []string{"/end", "/relative", "/absolute", "/credentials"} {
		home.Store(nil)
		answer, err := client.Try(t.Context(), parse(t, feed+path))
		must.OK(t, err)
		if answer.URL.User != nil || answer.URL.Path != "/end" {
			t.Errorf("%s: ended at %s", path, answer.URL.Redacted())
		}
		if home.shows("Authorization") != basic || home.shows("X-Api-Key") != "sekret" || home.shows("Cookie") != "a=sekret" || home.shows("Referer") != "" {
			t.Errorf("%s: the feed's own server was shown %v", path, home.Load().Header)
		}
	}
	for _, path := range []string{"/away", "/around"} {
		_, err := client.Try(t.Context(), parse(t, feed+path))
		var origin *fetch.OriginError
		if !errors.As(err, &origin) || origin.Origin != away || fetch.MayPass(err) || other.Load() != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := client.Try(t.Context(), parse(t, away+"/end")); err == nil || err.Error() != "leads to another origin" {
		t.Errorf("a link: %v", err)
	}
	client.AllowOrigins = []string{away}
	for _, path := range []string{feed + "/away", feed + "/around", away + "/end", strings.Replace(away, "://", "://u:p@", 1)} {
		home.Store(nil)
		other.Store(nil)
		_, err := client.Try(t.Context(), parse(t, path))
		must.OK(t, err)
		for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "Referer"} {
			if shown := other.shows(name); shown != "" {
				t.Errorf("%s: another server was shown %s %s", path, name, shown)
			}
		}
		if strings.HasSuffix(path, "/around") && home.shows("X-Api-Key") != "sekret" {
			t.Errorf("back on the feed's own server: %v", home.Load().Header)
		}
	}
}

// TestRedirectsAreBoundedAndNeverToPlainHTTP: for any http.Client.
func TestRedirectsAreBoundedAndNeverToPlainHTTP(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	client := newClient()
	client.HTTP = &http.Client{} // which would follow anywhere
	_, err := client.Get(t.Context(), parse(t, plain.URL))
	if err == nil || !strings.Contains(err.Error(), "it is the tenth") || requests.Load() != 10 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
	requests.Store(0)
	secure := serveTLS(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) })
	client = newClient()
	client.HTTP = secure.Client()
	_, err = client.Get(t.Context(), parse(t, secure.URL))
	if err == nil || !strings.Contains(err.Error(), "it leads to another origin") || requests.Load() != 0 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

// TestTokenThatWasReplacedIsUsed: at once, and the one before while there is none.
func TestTokenThatWasReplacedIsUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) { must.OK(t, os.WriteFile(file, []byte(text), 0o600)) }
	valid, onRefusal := "first", ""
	var requests int
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.Header.Get("Authorization") == "Bearer "+valid && r.Header.Get("X-Tenant") == "5" {
			return
		}
		if onRefusal != "" { // the file is replaced between the request and its answer
			write(onRefusal)
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	bearer := &fetch.Bearer{Path: file, Fields: http.Header{"X-Tenant": {"5"}}}
	client := newClient()
	client.Credentials = bearer.Show
	for _, test := range []struct {
		name, file, valid, onRefusal string
		requests                     int
		err                          string
	}{
		{"no file yet", "-", "first", "", 0, "no credentials: open "},
		{"nothing in it", " \n", "first", "", 0, "is empty, and should hold a token"},
		{"a token", " first\n", "first", "", 1, ""},
		{"two lines", "second\nsekret", "first", "", 1, ""}, // the one before counts
		{"another token", "second", "second", "", 1, ""},
		{"is replaced meanwhile", "second", "third", "third", 2, ""},
		{"is empty for a moment", "", "third", "", 1, ""},
		{"is wrong", "wrong", "third", "", 1, "server answered 401 Unauthorized"},
		{"is wrong, and what comes too", "wrong", "third", "bad", 2, "server answered 401 Unauthorized"},
	} {
		if test.file != "-" {
			write(test.file)
		}
		requests, valid, onRefusal = 0, test.valid, test.onRefusal
		_, err := client.Try(t.Context(), parse(t, s.URL))
		if (err == nil) != (test.err == "") || err != nil && (!strings.Contains(err.Error(), test.err) || fetch.MayPass(err)) {
			t.Errorf("%s: %v, want %s", test.name, err, test.err)
		}
		if requests != test.requests {
			t.Errorf("%s: %d requests, want %d", test.name, requests, test.requests)
		}
	}
}

func TestFieldsOfTheProgramsOwnAreRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"X-Api-Key: sekret":              "X-Api-Key sekret",
		"x-api-key:  sekret : and more ": "X-Api-Key sekret : and more",
		"authorization: Bearer sekret":   "Authorization Bearer sekret",
	} {
		if name, value, err := fetch.ParseField(line); err != nil || name+" "+value != want {
			t.Errorf("%s: %s %s, %v", line, name, value, err)
		}
	}
	for _, line := range []string{
		"", "sekret", ": sekret", "X Y: sekret", "X: ", "X: sek\nret", "X: sekret\x00", "Host: sekret", "host: sekret", "accept-encoding: sekret",
		"Connection: sekret", "TE: sekret", "Transfer-Encoding: sekret", "If-None-Match: sekret", "A-IM: sekret", "Content-Length: 5", "proxy-authorization: sekret",
	} {
		if _, _, err := fetch.ParseField(line); err == nil || strings.Contains(err.Error(), "sekret") {
			t.Errorf("%q: %v", line, err)
		}
	}
}
