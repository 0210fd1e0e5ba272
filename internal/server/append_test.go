package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/httpd/forwarded"
	"github.com/eventfeed/eventfeed/internal/server"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func allowAppend(c *server.Config) { c.AllowAppend = true }

// post sends a body with header fields in pairs.
func post(t *testing.T, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	must.OK(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	must.OK(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	must.OK(t, err)
	return response, string(text)
}

const (
	structured = "application/cloudevents+json"
	batch      = "application/cloudevents-batch+json"
	ndjson     = "application/x-ndjson"
)

func cloudEvent(id, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/s","type":"T","time":"2026-01-01T00:00:00Z","data":%s}`, id, data)
}

func TestPostAppendsInEveryMode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 3)
		s := servertest.Publish(t, l, allowAppend)
		target := s.URL + "/feeds/f"
		for _, test := range []struct {
			body   string
			header []string
			want   string
		}{
			{cloudEvent("1", "1"), []string{"Content-Type", structured + "; charset=utf-8"}, "1:1"},
			{"[" + cloudEvent("2", "2") + "," + cloudEvent("3", "3") + "]", []string{"Content-Type", batch}, "2:2 3:3"},
			{cloudEvent("4", "4") + "\n\n" + cloudEvent("5", "5") + "\n", []string{"Content-Type", ndjson}, "4:4 5:5"},
			{"<a/>", []string{"Content-Type", "application/xml", "ce-specversion", "1.0", "ce-id", "6", "ce-source", "/s", "ce-type", "T"}, "6:6"},
			{"[" + cloudEvent("7", "7") + "," + cloudEvent("2", "2") + "]", []string{"Content-Type", batch}, "7:7 2:2"}, // one is there already
			{"[]", []string{"Content-Type", batch}, ""},
		} {
			var answers []string
			for range 2 { // the same again is the same answer
				response, body := post(t, target, test.body, test.header...)
				if want := map[bool]int{true: 200, false: 201}[test.want == ""]; response.StatusCode != want || response.Header.Get("Cache-Control") != "no-store" {
					t.Fatalf("%s: %d %s", test.body, response.StatusCode, body)
				}
				answers = append(answers, body)
			}
			var answer struct {
				Events []struct {
					ID, Source, URL string
					Position        int64
				}
			}
			must.OK(t, json.Unmarshal([]byte(answers[0]), &answer))
			var got []string
			for _, e := range answer.Events {
				got = append(got, fmt.Sprintf("%s:%d", e.ID, e.Position))
				base, err := url.Parse(target)
				must.OK(t, err)
				there, err := base.Parse(e.URL)
				must.OK(t, err)
				if response, body := do(t, "GET", there.String()+"&format=cloudevents"); response.StatusCode != 200 || !strings.Contains(string(body), fmt.Sprintf(`"efposition":"%d"`, e.Position)) {
					t.Errorf("%s: %d %s", there, response.StatusCode, body)
				}
			}
			if strings.Join(got, " ") != test.want || answers[0] != answers[1] {
				t.Errorf("%s: %q, then %q, want %s", test.body, answers[0], answers[1], test.want)
			}
		}
		if position, _ := storetest.Verify(t, l, "f"); position != 7 {
			t.Errorf("%d events, want 7", position)
		}
	})
}

func TestPostIsAllOrNothingAndNamesTheEvent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 3)
		s := servertest.Publish(t, l, allowAppend)
		post(t, s.URL+"/feeds/f", cloudEvent(`a "b" \ <é>`, "1"), "Content-Type", structured)
		for name, test := range map[string]struct {
			body, contentType string
			status            int
			number            int
			id                string
		}{
			"not JSON":         {"[" + cloudEvent("x", "1") + ", nonsense]", batch, 400, 0, ""},
			"cut off":          {"[" + cloudEvent("x", "1"), batch, 400, 0, ""},
			"a line no JSON":   {cloudEvent("x", "1") + "\n{\n", ndjson, 400, 2, ""},
			"other content":    {"[" + cloudEvent("x", "1") + "," + cloudEvent(`a "b" \ <é>`, "2") + "]", batch, 409, 2, `a "b" \ <é>`},
			"twice, different": {"[" + cloudEvent("x", "1") + "," + cloudEvent("x", "2") + "]", batch, 409, 2, "x"},
			"event too large":  {"[" + cloudEvent("x", "1") + "," + cloudEvent("y", `"`+strings.Repeat("y", 9<<20)+`"`) + "]", batch, 413, 2, "y"},
			"too many":         {"[" + strings.Repeat(cloudEvent("x", "1")+",", 10_000) + cloudEvent("y", "1") + "]", batch, 413, 0, ""},
			"unknown type":     {"<x/>", "application/xml", 415, 0, ""},
			"no event":         {cloudEvent("x", "1") + "\n" + `{"specversion":"1.0","id":"y","source":"/s"}`, ndjson, 422, 2, "y"},
			"no id":            {`{"specversion":"1.0","source":"/s","type":"T"}`, structured, 422, 1, ""},
		} {
			response, body := post(t, s.URL+"/feeds/f", test.body, "Content-Type", test.contentType)
			var problem struct {
				Title, Detail string
				Status        int
				Event         struct {
					Number int
					ID     string
				}
			}
			must.OK(t, json.Unmarshal([]byte(body), &problem))
			if response.StatusCode != test.status || problem.Status != test.status || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %.300s", name, response.StatusCode, body)
			}
			if problem.Event.Number != test.number || problem.Event.ID != test.id || len(problem.Detail) < 20 {
				t.Errorf("%s: %.300s", name, body)
			}
		}
		if position, _ := storetest.Verify(t, l, "f"); position != 1 {
			t.Errorf("%d events: something of what was refused is in", position)
		}
	})
}

func TestPostWithoutASequencerIsAccepted(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 3)
	s := servertest.Serve(t, l, allowAppend)
	response, body := post(t, s.URL+"/feeds/f", cloudEvent("1", "1"), "Content-Type", structured)
	if response.StatusCode != 202 || strings.Contains(body, "position") || response.Header.Get("Location") != "" {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	storetest.Drain(t, l, "f")
	response, body = post(t, s.URL+"/feeds/f", cloudEvent("1", "1"), "Content-Type", structured)
	if response.StatusCode != 201 || !strings.Contains(body, `"position":1`) || response.Header.Get("Location") != "f/events/1?source=%2Fs" {
		t.Errorf("%d %s %v", response.StatusCode, body, response.Header)
	}
}

func TestPostIsOffUnlessAskedFor(t *testing.T) {
	_, s := serve(t)
	response, _ := post(t, s.URL+"/feeds/f", cloudEvent("1", "1"), "Content-Type", structured)
	if response.StatusCode != 405 || response.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

func TestPostOfAnotherSitesPageIsRefused(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 3)
	s := servertest.Serve(t, l, allowAppend)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		if response, body := post(t, s.URL+"/feeds/f", cloudEvent("1", "1"), append(header, "Content-Type", structured)...); response.StatusCode != 403 {
			t.Errorf("%v: %d %s", header, response.StatusCode, body)
		}
	}
	if response, _ := post(t, s.URL+"/feeds/g", cloudEvent("1", "1"), "Content-Type", structured); response.StatusCode != 404 {
		t.Errorf("a feed that is not there: %d", response.StatusCode)
	}
}

// serveAt returns a server that is known by a URL and takes events, with an
// empty feed "f".
func serveAt(t *testing.T, baseURL string) (*store.Log, *httptest.Server) {
	t.Helper()
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 3)
	base, err := forwarded.ParseBase(baseURL)
	must.OK(t, err)
	return l, servertest.Serve(t, l, allowAppend, func(c *server.Config) { c.Origin.Base, c.Local = base, true })
}

func TestWithoutTokensPostComesByTheServersOwnName(t *testing.T) {
	_, s := serveAt(t, "https://feeds.example.org/x")
	for host, status := range map[string]int{
		"localhost:8080": 202, "[::1]:8080": 202, "127.0.0.1": 202, "feeds.example.org": 202,
		"evil.example": 421, "localhost.evil.example:80": 421, "": 202,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/feeds/f", strings.NewReader(cloudEvent("1", "1")))
		must.OK(t, err)
		request.Host = host
		request.Header.Set("Content-Type", structured)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
		response, err := http.DefaultClient.Do(request)
		must.OK(t, err)
		must.OK(t, response.Body.Close())
		if response.StatusCode != status {
			t.Errorf("Host %q: %d", host, response.StatusCode)
		}
	}
}

// silent is a log that must stay empty.
type silent struct{ *testing.T }

func (s silent) Write(line []byte) (int, error) {
	s.Errorf("logged: %s", line)
	return len(line), nil
}

// TestSlowLargeBodiesDoNotHoldUpSmallOnes fills the room for bodies with
// requests that never go on. To refuse more is no failure of the server's.
func TestSlowLargeBodiesDoNotHoldUpSmallOnes(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.Create(t, l, "f", 3)
	s := servertest.Publish(t, l, allowAppend, func(c *server.Config) { c.Logger = slog.New(slog.NewTextHandler(silent{t}, nil)) })
	for range 4 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
		must.OK(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		_, err = fmt.Fprintf(conn, "POST /feeds/f HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 24000000\r\n\r\n[", batch)
		must.OK(t, err)
	}
	large := "[" + strings.Repeat(cloudEvent("large", `"`+strings.Repeat("x", 50_000)+`"`)+",", 120) + cloudEvent("large", "1") + "]"
	for {
		response, _ := post(t, s.URL+"/feeds/f", large, "Content-Type", batch)
		if response.StatusCode == 503 && response.Header.Get("Retry-After") != "" {
			break
		}
	}
	if response, body := post(t, s.URL+"/feeds/f", cloudEvent("small", "1"), "Content-Type", structured); response.StatusCode != 201 {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

func TestPathOfTheBaseURLMayStandBefore(t *testing.T) {
	l, s := serveAt(t, "https://feeds.example.org/pre/fix")
	for path, status := range map[string]int{
		"/pre/fix/feeds/f": 200, "/feeds/f": 200, "/pre/fix/": 200, "/pre/fix": 200, "/pre/fixfeeds/f": 404, "/pre/feeds/f": 404,
	} {
		if response, _ := do(t, "GET", s.URL+path); response.StatusCode != status {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	response, _ := post(t, s.URL+"/pre/fix/feeds/f", cloudEvent("a/b", "1"), "Content-Type", structured)
	if response.StatusCode != 202 {
		t.Errorf("%d", response.StatusCode)
	}
	storetest.Drain(t, l, "f")
	if response, _ := do(t, "GET", s.URL+"/pre/fix/feeds/f/events/?id=a%2Fb"); response.StatusCode != 200 {
		t.Errorf("%d", response.StatusCode)
	}
}

// A token that may append but not read learns that an id is taken, and nothing of what
// the event with it holds: whatever differs, status, fields and body are the same.
func TestPostDoesNotTellWhatAnEventHolds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 3)
		s := servertest.Publish(t, l, allowAppend)
		const whole = `{"specversion":"1.0","id":"1","source":"/s","type":"T","subject":"s","time":"2026-01-01T00:00:00Z","dataschema":"urn:x","datacontenttype":"a/b","x":"1","data":"d"}`
		if response, body := post(t, s.URL+"/feeds/f", whole, "Content-Type", structured); response.StatusCode != http.StatusCreated {
			t.Fatal(response.Status, body)
		}
		answers := map[string]string{}
		for _, change := range []string{
			`"type":"T"`, `"subject":"s",`, `"time":"2026-01-01T00:00:00Z"`, `"dataschema":"urn:x",`, `"datacontenttype":"a/b",`, `"x":"1",`, `,"data":"d"`,
		} {
			changed := strings.Replace(change, `s"`, `z"`, 1)
			changed = strings.NewReplacer(`"T"`, `"U"`, "2026", "2025", "urn:x", "urn:y", "a/b", "a/c", `"1"`, `"2"`, `"d"`, `"e"`).Replace(changed)
			with := []string{changed}
			if strings.HasSuffix(change, ",") || strings.HasPrefix(change, ",") {
				with = append(with, "") // omitted
			}
			for _, other := range with {
				response, body := post(t, s.URL+"/feeds/f", strings.Replace(whole, change, other, 1), "Content-Type", structured)
				response.Header.Del("Date")
				if response.StatusCode != http.StatusConflict {
					t.Errorf("%s instead of %s: %s %s", other, change, response.Status, body)
				}
				answers[fmt.Sprint(response.Status, response.Header, body)] = change
			}
		}
		if len(answers) != 1 {
			t.Errorf("the answers differ: %v", answers)
		}
	})
}
