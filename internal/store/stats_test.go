package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// What a look finds is what was done; a long queue is counted to a bound.
func TestStatsTellHowEachFeedStands(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		for _, name := range []string{"busy", "empty", "long"} {
			storetest.Create(t, l, name, 10)
		}
		_, err := l.Create(t.Context(), store.Feed{Name: "held", PageSize: 10, Held: true})
		must.OK(t, err)
		storetest.Append(t, l, "busy", storetest.Events(1, 25))
		storetest.Drain(t, l, "busy")
		storetest.Append(t, l, "busy", storetest.Events(26, 43))
		storetest.Append(t, l, "held", storetest.Events(1, 3))
		if _, err := l.Sequence(t.Context(), "busy", 16); err != nil { // up to 41: pages 3 and 4 are full
			t.Fatal(err)
		}
		must.OK(t, l.NewEpoch(t.Context(), "empty", "restored"))
		storetest.Append(t, l, "long", storetest.Events(1, store.PendingCounted+7))

		got, err := l.Stats(t.Context())
		must.OK(t, err)
		for i := range got.Feeds {
			if f := &got.Feeds[i]; (f.Oldest > 0) != (f.Pending > 0) {
				t.Errorf("%+v: the oldest of what is pending has a number, and nothing else", *f)
			}
			f := &got.Feeds[i]
			if (f.EpochReason == "restored") != (f.Name == "empty") || time.Since(f.EpochStarted).Abs() > time.Hour {
				t.Errorf("%s: the epoch started at %v: %q", f.Name, f.EpochStarted, f.EpochReason)
			}
			f.Oldest, f.EpochStarted, f.EpochReason = 0, time.Time{}, ""
		}
		want := []store.FeedStats{
			{Name: "busy", Position: 41, Archives: 2, Unsealed: 2, Pending: 2},
			{Name: "empty"},
			{Name: "held", Held: true, Pending: 3},
			{Name: "long", Pending: store.PendingCounted},
		}
		if !slices.Equal(got.Feeds, want) {
			t.Errorf("got  %+v\nwant %+v", got.Feeds, want)
		}
	})
}
