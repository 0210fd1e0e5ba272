package html_test

import (
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

func TestDataCanBeCopiedOnlyIfThePageShowsAllOfIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, data string
		can        bool
	}{
		{"application/json", `{"a": 1}`, true}, // indented, which means the same
		{"text/plain", "a\n\tb", true},
		{"text/plain", "a\r\nb", false}, // the page shows no carriage return
		{"text/plain", "a\x1b[1mb", false},
		{"application/octet-stream", "\xff", false},
		{"application/json", `"` + strings.Repeat("x", 200<<10) + `"`, false}, // cut
		{"text/plain", "", false},
	} {
		e := &html.Event{Feed: "f", Placed: event.Placed{Position: 1, Event: event.Event{ID: "1", Source: "/s", Type: "T", DataContentType: test.kind, Data: []byte(test.data)}}}
		page, err := html.EventPage(e)
		must.OK(t, err)
		if can := strings.Contains(string(page), `id="copy"`); can != test.can {
			t.Errorf("%s %.20q: can be copied: %t", test.kind, test.data, can)
		}
	}
}
