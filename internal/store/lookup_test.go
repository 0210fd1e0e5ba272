package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// list returns the positions of what a read of a list yields.
func list(t *testing.T, read func(yield func(*store.ListedEvent) error) error) (positions []int64) {
	t.Helper()
	must.OK(t, read(func(e *store.ListedEvent) error {
		positions = append(positions, e.Position)
		return nil
	}))
	return positions
}

func TestListHasTheNewestEventsThatMatch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		f := storetest.CreateWithEntities(t, l, "f")
		other := storetest.Create(t, l, "other", 0)
		storetest.Append(t, l, "other", storetest.Events(1, 3))
		storetest.Drain(t, l, "other")
		events := storetest.Events(1, 40)
		for i := range events {
			events[i].Type = []string{"Odd", "Even"}[i%2]
		}
		events[6].Data = []byte(strings.Repeat("é", store.ListedData))
		storetest.Append(t, l, "f", events)
		storetest.Drain(t, l, "f")
		storetest.Append(t, l, "f", storetest.Events(41, 42)) // pending
		for _, test := range []struct {
			first, last int64
			match       store.Filter
			limit       int
			want        []int64
		}{
			{1, 40, store.Filter{}, 3, []int64{40, 39, 38}},
			{38, 100, store.Filter{}, 50, []int64{40, 39, 38}},
			{1, 40, store.Filter{Type: "Even"}, 2, []int64{40, 38}},
			{1, 40, store.Filter{Subject: "3"}, 50, []int64{38, 31, 24, 17, 10, 3}},
			{11, 30, store.Filter{Type: "Odd", Subject: "3"}, 50, []int64{17}},
			{1, 40, store.Filter{Type: "odd"}, 50, nil},
			{1, 40, store.Filter{Subject: "' OR true --"}, 50, nil},
			{5, 4, store.Filter{}, 50, nil},
		} {
			got := list(t, func(yield func(*store.ListedEvent) error) error {
				return l.List(t.Context(), f.Key, test.first, test.last, test.match, test.limit, yield)
			})
			if !slices.Equal(got, test.want) {
				t.Errorf("%+v: %v", test, got)
			}
		}
		for _, test := range []struct {
			first, last int64
			match       store.Filter
			limit       int
			want        []int64
		}{
			{1, 6, store.Filter{Subject: "3"}, 2, []int64{38, 31}},
			{1, 9, store.Filter{Subject: "0"}, 50, []int64{35, 28, 21, 14, 7}}, // event 42 is pending
			{2, 3, store.Filter{Subject: "3"}, 50, []int64{17, 10}},
			{1, 6, store.Filter{Subject: "3", Type: "Odd"}, 50, []int64{31, 17, 3}},
			{1, 6, store.Filter{Subject: "nobody"}, 50, nil},
		} {
			got := list(t, func(yield func(*store.ListedEvent) error) error {
				return l.ListVersions(t.Context(), f.Key, test.first, test.last, test.match, test.limit, yield)
			})
			if !slices.Equal(got, test.want) {
				t.Errorf("versions %+v: %v", test, got)
			}
		}
		if got := list(t, func(yield func(*store.ListedEvent) error) error {
			return l.List(t.Context(), other.Key, 1, 10, store.Filter{}, 50, yield)
		}); len(got) != 3 {
			t.Errorf("the other feed: %v", got)
		}
		must.OK(t, l.List(t.Context(), f.Key, 7, 7, store.Filter{}, 1, func(e *store.ListedEvent) error {
			want := events[6]
			if e.Size != int64(len(want.Data)) || !bytes.Equal(e.Data, want.Data[:store.ListedData]) || e.ID != want.ID || e.Source != want.Source ||
				e.Type != want.Type || e.Subject != want.Subject || !e.Time.Equal(want.Time) || e.DataContentType != want.DataContentType || e.Recorded.IsZero() {
				t.Errorf("%+.200v of %d bytes", e, e.Size)
			}
			return nil
		}))
	})
}

func TestVersionsOfAnEntityAreFoundByPosition(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		f := storetest.CreateWithEntities(t, l, "f")
		storetest.Append(t, l, "f", storetest.Events(1, 40))
		storetest.Drain(t, l, "f")
		storetest.Append(t, l, "f", storetest.Events(41, 50)) // pending: version 7 of entity 3 is event 45
		if version, err := l.EntityVersion(t.Context(), f.Key, "3"); err != nil || version != 7 {
			t.Errorf("version %d, %v", version, err)
		}
		if version, err := l.EntityVersion(t.Context(), f.Key, "nobody"); err != nil || version != 0 {
			t.Errorf("of nobody: version %d, %v", version, err)
		}
		for version, want := range map[int64]int64{1: 3, 6: 38, 7: 0, 8: 0} {
			if position, err := l.VersionPosition(t.Context(), f.Key, "3", version); err != nil || position != want {
				t.Errorf("version %d: position %d, %v", version, position, err)
			}
		}
		for position, want := range map[int64]int64{1: 0, 2: 0, 3: 1, 9: 1, 10: 2, 37: 5, 38: 6, 40: 6, 1000: 6} {
			if version, err := store.VersionAt(t.Context(), l, f.Key, "3", 7, position); err != nil || version != want {
				t.Errorf("at position %d: version %d, %v, want %d", position, version, err, want)
			}
		}
	})
}

func TestTimesArePositionsByBisection(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		f := storetest.Create(t, l, "f", 0)
		storetest.Append(t, l, "f", storetest.Events(1, 9))
		storetest.Drain(t, l, "f")
		at := func(second int64) time.Time { return time.Date(2026, 5, 3, 0, 0, int(second), 0, time.UTC) }
		for position, second := range map[int64]int64{1: 1, 2: 2, 3: 2, 4: 2, 5: 5, 6: 5, 7: 7, 8: 7, 9: 7} {
			setRecorded(t, url, position, at(second))
		}
		for second, want := range []int64{1, 1, 2, 5, 5, 5, 7, 7, 10} {
			if position, err := store.FirstRecorded(t.Context(), l, f.Key, 9, at(int64(second))); err != nil || position != want {
				t.Errorf("second %d: position %d, %v, want %d", second, position, err, want)
			}
		}
		if position, err := store.FirstRecorded(t.Context(), l, f.Key, 0, at(0)); err != nil || position != 1 {
			t.Errorf("without events: position %d, %v", position, err)
		}
		if _, err := store.FirstRecorded(t.Context(), l, f.Key, 10, at(100)); err == nil {
			t.Error("position 10 is not there, and that was no error")
		}
	})
}

func TestPagesAreFoundByPosition(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 3)
		storetest.Append(t, l, "f", storetest.Events(1, 4))
		storetest.Drain(t, l, "f")
		must.OK(t, l.NewEpoch(t.Context(), "f", "a page ends early"))
		storetest.Append(t, l, "f", storetest.Events(5, 12))
		storetest.Drain(t, l, "f")
		f, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		for position, want := range map[int64]string{1: "1: 1-3", 3: "1: 1-3", 4: "2: 4-4", 5: "3: 5-7", 10: "4: 8-10"} {
			p, err := store.PageAt(t.Context(), l, f.Key, f.Archives, position)
			if got := fmt.Sprintf("%d: %d-%d", p.Number, p.First, p.Last); err != nil || got != want {
				t.Errorf("position %d: page %s, %v, want %s", position, got, err, want)
			}
		}
		for _, position := range []int64{-1, 0, 11, 100} {
			if p, err := store.PageAt(t.Context(), l, f.Key, f.Archives, position); !errors.Is(err, store.ErrNoPage) {
				t.Errorf("position %d: page %+v, %v", position, p, err)
			}
		}
	})
}

// Servers keep a feed's row in memory until its version changes.
func TestVersionOfAFeedChangesWhenItGetsEntities(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 0)
		before, err := l.Versions(t.Context())
		must.OK(t, err)
		storetest.GiveEntities(t, l, "f")
		after, err := l.Versions(t.Context())
		must.OK(t, err)
		if before["f"] == "" || before["f"] == after["f"] {
			t.Errorf("version %q became %q", before["f"], after["f"])
		}
	})
}
