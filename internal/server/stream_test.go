package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// message is a server-sent event as section 9.2.6 of the HTML standard reads it.
type message struct{ id, kind, data string }

// messages reads the first of a stream.
func messages(t *testing.T, body io.Reader, count int) []message {
	t.Helper()
	var list []message
	var m message
	lines := bufio.NewScanner(body)
	for len(list) < count && lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if m.data != "" {
				list = append(list, m)
			}
			m = message{id: m.id}
		case field == "id":
			m.id = value
		case field == "event":
			m.kind = value
		case field == "data":
			if m.data != "" {
				m.data += "\n"
			}
			m.data += value
		case field != "" && field != "retry":
			t.Errorf("a reader drops the field %q", field)
		}
	}
	if len(list) < count {
		t.Errorf("the stream ended after %d messages: %v", len(list), lines.Err())
	}
	return list
}

func openStream(t *testing.T, url string, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	must.OK(t, err)
	request.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	must.OK(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	if h := response.Header; response.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Encoding") != "" {
		t.Fatalf("%d %v", response.StatusCode, h)
	}
	return response
}

func TestStreamGoesOnAfterTheLastEventThatWasSeen(t *testing.T) {
	l, s := publish(t)
	for name, test := range map[string]struct {
		query  string
		header []string
		first  int
	}{
		"in the document":      {"", []string{"Last-Event-ID", "240"}, 241},
		"before the document":  {"", []string{"Last-Event-ID", "3"}, 4},
		"from the beginning":   {"", []string{"Last-Event-ID", "0"}, 1},
		"in the query":         {"?lastEventId=245", nil, 246},
		"header before query":  {"?lastEventId=245", []string{"Last-Event-ID", "248"}, 249},
		"a boundary of pages":  {"?lastEventId=200", nil, 201},
		"a part that is large": {"?lastEventId=149", nil, 150},
	} {
		response := openStream(t, s.URL+"/feeds/f/stream"+test.query, test.header...)
		for i, m := range messages(t, response.Body, 250-test.first+1) {
			if m.id != fmt.Sprint(test.first+i) || m.kind != "" || !strings.Contains(m.data, fmt.Sprintf(`"efposition":"%d"`, test.first+i)) {
				t.Errorf("%s: message %d: %+v", name, i, m)
				break
			}
			e, err := cloudevents.ParseJSON([]byte(m.data))
			if err != nil || e.ID != m.id {
				t.Errorf("%s: message %d is no event: %v", name, i, err)
			}
		}
	}
	for _, nonsense := range []string{"", "x", "-1", "99999", "1e2"} {
		response := openStream(t, s.URL+"/feeds/f/stream", "Last-Event-ID", nonsense)
		n := 251 + len(storetest.Read(t, l, "f")) - 250
		storetest.Append(t, l, "f", storetest.Events(n, n))
		if got := messages(t, response.Body, 1); len(got) != 1 || got[0].id != fmt.Sprint(n) {
			t.Errorf("Last-Event-ID %q: begins with %+v", nonsense, got)
		}
	}
}

func TestStreamHoldsDataInOneLine(t *testing.T) {
	_, s := serveNasty(t)
	response := openStream(t, s.URL+"/feeds/f/stream?lastEventId=0")
	want := nasty()
	for i, m := range messages(t, response.Body, len(want)) {
		e, err := cloudevents.ParseJSON([]byte(m.data))
		if err != nil || !bytes.Equal(e.Data, want[i].Data) || e.ID != want[i].ID {
			t.Errorf("message %d: %v: %q", i, err, m.data)
		}
	}
}
