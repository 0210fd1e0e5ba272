package store_test

import (
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// TestEveryChangeOfAFeedHasATimeOfItsOwn: another second, however many there are in
// one; and after a new epoch none that a lost history may have had.
func TestEveryChangeOfAFeedHasATimeOfItsOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		other := storetest.Open(t, url)
		last := storetest.Create(t, l, "f", 2).Modified
		check := func(what string, least time.Duration) {
			t.Helper()
			f, err := l.Feed(t.Context(), "f")
			must.OK(t, err)
			if f.Modified.Before(last.Add(least)) || f.Modified.Nanosecond() != 0 {
				t.Errorf("%s: %v after %v", what, f.Modified, last)
			}
			last = f.Modified
		}
		for n := range 6 {
			storetest.Append(t, l, "f", storetest.Events(n+1, n+1))
			_, err := []*store.Log{l, other}[n%2].Sequence(t.Context(), "f", 10)
			must.OK(t, err)
			check("an event", time.Second)
			if sealed, err := other.Seal(t.Context(), "f"); err != nil || sealed > 0 {
				must.OK(t, err)
				check("a page", time.Second)
			}
		}
		must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
		check("an epoch", time.Hour)
	})
}
