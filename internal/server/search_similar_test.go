package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func TestASearchThatFindsNothingOffersWhatItsWordsName(t *testing.T) {
	t.Parallel()
	_, s := searchable(t, true)
	for query, want := range map[string]string{
		"order o-1":         "“ order o-1 ”: nothing “ o-1 ” is a subject: 43 events",
		"O-1":               "“ o-1 ” is a subject: 43 events",
		"o-1 03/05/2026":    "“ 03/05/2026 ” looks like a date, and is none that this page understands: write 2026-05-03 or 3 May 2026.",
		"order o-2, please": "“ o-2 ” is a subject: 43 events",
		"event 17":          "“ 17 ” is the id of an event",
		"O-1 3 May 2020":    "“ o-1 ” is a subject: 43 events",
	} {
		_, page := browse(t, s.URL+"/feeds/f?"+urlQuery("q", query))
		if text := plainText(page); !strings.Contains(text, want) || !strings.Contains(text, "Nothing found") {
			t.Errorf("%s: want %q\n%s", query, want, text)
		}
	}
	if _, page := browse(t, s.URL+"/feeds/f?"+urlQuery("q", "O-1 3 May 2020")); !strings.Contains(page, `href="../feeds/f?q=o-1&#43;3&#43;May&#43;2020"`) {
		t.Errorf("the date is lost:\n%s", page)
	}
	if _, page := browse(t, s.URL+"/feeds/f?"+urlQuery("q", strings.Repeat("nobody ", 300))); strings.Contains(page, "similar\"") {
		t.Errorf("offers nothing:\n%s", page)
	}
}

func TestASearchShowsWhatChanged(t *testing.T) {
	t.Parallel()
	l := storetest.Open(t, storetest.Databases["sqlite"](t))
	storetest.CreateWithEntities(t, l, "f")
	var events []event.Event
	for n := 1; n <= 60; n++ {
		e := about("o-1", n, n)[0]
		e.Time = time.Date(2026, 5, (n+1)/2, n%2, 0, 0, 0, time.UTC)
		events = append(events, e)
	}
	storetest.Append(t, l, "f", events)
	storetest.Drain(t, l, "f")
	s := servertest.Serve(t, l)
	for query, want := range map[string][]string{
		"o-1":            {"The newest 50 of 60 events of o-1", "n : from 59 → to 60", "n : from 10 → to 11"},
		"o-1 3 May 2026": {"What changed for o-1 on 3 May 2026: 2 events", "n : from 4 → to 5", "n : from 5 → to 6", "all 60 events"},
		"o-1 30 May":     {"What changed for o-1 on 30 May 2026: 2 events", "No year was typed: 2026 is assumed"},
		"o-1 1 May 2025": {"What changed for o-1 on 1 May 2025: no events", "History of o-1"},
		"o-1 May 2026":   {"What changed for o-1 in May 2026: 60 events", "The newest 50 are shown"},
	} {
		_, page := browse(t, s.URL+"/feeds/f?"+urlQuery("q", query))
		for _, says := range want {
			if !strings.Contains(plainText(page), says) {
				t.Errorf("%s: does not say %q\n%s", query, says, plainText(page))
			}
		}
		if rows := strings.Count(page, `class="number version"`); rows > 50 || rows == 2 && strings.Contains(page, "from 3 ") {
			t.Errorf("%s: %d rows", query, rows)
		}
	}
	_, page := browse(t, s.URL+"/feeds/f/events/o-1.3")
	if text := plainText(page); !strings.Contains(text, "Changed against version 2 n : from 2 → to 3") {
		t.Errorf("the event's page: %s", text)
	}
}
