//go:build unix

package seed_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
)

// TestAnEntityIsReadAsAnArchivedFeed: all its events once and in order, while it grows from no archive
// to several, whatever form its URL has.
func TestAnEntityIsReadAsAnArchivedFeed(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := openSource(t, testdb.SQLite(t))
		storetest.CreateWithEntities(t, s.Log, "f")
		last := 0
		for _, upTo := range []int{3, 499, 500, 501, 1001} {
			for _, subject := range []string{"o-1", "a/b c"} {
				var events []event.Event
				for n := last + 1; n <= upTo; n++ {
					events = append(events, event.Event{
						ID: fmt.Sprint(subject, " ", n), Source: "/test", Type: "Counted", Subject: subject, DataContentType: "application/json",
						Time: time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC), Data: fmt.Appendf(nil, `{"n":%d}`, n),
					})
				}
				storetest.Append(t, s.Log, "f", events)
			}
			storetest.Drain(t, s.Log, "f")
			last = upTo
			for _, subject := range []string{"o-1", "a/b c"} {
				end, err := run(t, seed.Config{From: []string{s.URL + feed.EntityPath("f", subject)}, Into: again().Target, Consumer: subject[:1]})
				must.OK(t, err)
				if end.Position != int64(last) {
					t.Errorf("%s ended with %+v, want position %d", subject, end, last)
				}
			}
		}
		got := again().inbox(t)
		if len(got) != 2*last {
			t.Fatalf("%d events, want %d", len(got), 2*last)
		}
		for i, line := range got {
			subject, n := []string{"a/b c", "o-1"}[i/last], i%last+1
			if want := fmt.Sprintf(`%d %s %d /test Counted %s application/json {"n":%d}`, n, subject, n, subject, n); line != want {
				t.Fatalf("event %d is %.150s, want %s", i+1, line, want)
			}
		}
	})
}
