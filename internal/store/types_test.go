package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/db/explain"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// typed returns events of several types, some with a dataschema, in an order that leaves the first
// and the last of each on different pages.
func typed(first, last int) []event.Event {
	events := storetest.Events(first, last)
	for i := range events {
		n := first + i
		events[i].Type = []string{"Paid", "created", "Ähnlich", "Created", "z\U0001f4e6"}[n*n%5]
		if n%3 == 0 {
			events[i].DataSchema = fmt.Sprintf("https://schemas.example/%d", n%2)
		}
	}
	return events
}

// countedOneByOne counts the types of the events that documents show.
func countedOneByOne(t *testing.T, l *store.Log, name string) []feed.TypeCount {
	t.Helper()
	f, err := l.Feed(t.Context(), name)
	must.OK(t, err)
	counts := map[feed.TypeKey]feed.TypeCount{}
	for _, e := range storetest.Read(t, l, name) {
		if e.Position > f.Published {
			break
		}
		c, there := counts[feed.TypeKey{Type: e.Type, DataSchema: e.DataSchema}]
		if !there {
			c = feed.TypeCount{TypeKey: feed.TypeKey{Type: e.Type, DataSchema: e.DataSchema}, First: e.Position}
		}
		c.Events, c.Last = c.Events+1, e.Position
		counts[c.TypeKey] = c
	}
	var all []feed.TypeCount
	for _, c := range counts {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b feed.TypeCount) int {
		return strings.Compare(a.Type+"\x00"+a.DataSchema, b.Type+"\x00"+b.DataSchema)
	})
	return all
}

// allTypes reads the types in parts of this size.
func allTypes(t *testing.T, l *store.Log, name string, size int) []feed.TypeCount {
	t.Helper()
	var all []feed.TypeCount
	for after := (feed.TypeKey{}); ; after = all[len(all)-1].TypeKey {
		_, part, more, err := l.Types(t.Context(), name, after, size)
		must.OK(t, err)
		all = append(all, part...)
		if !more {
			return all
		}
		if len(part) != size {
			t.Fatalf("%d types and more, want %d", len(part), size)
		}
	}
}

func TestTypesAreCountedExactlyAtEveryMoment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "other", 3)
		storetest.Append(t, l, "other", storetest.Events(1, 10))
		storetest.Drain(t, l, "other")
		storetest.Create(t, l, "f", 5)
		var known *feed.Document
		check := func(when string) {
			t.Helper()
			want := countedOneByOne(t, l, "f")
			for _, size := range []int{1, 3, 1000} {
				if got := allTypes(t, l, "f", size); !slices.Equal(got, want) {
					t.Errorf("%s, %d at once: %+v\nwant %+v", when, size, got, want)
				}
			}
			_, d, err := l.Subscription(t.Context(), "f", known)
			must.OK(t, err)
			if got, is := d.Types(); !is || !slices.Equal(got, withoutSchema(want)) {
				t.Errorf("%s, with the document: %+v, %v\nwant %+v", when, got, is, withoutSchema(want))
			}
			known = d
			storetest.Verify(t, l, "f")
		}
		check("empty")
		for last := 0; last < 60; last += 12 {
			storetest.Append(t, l, "f", typed(last+1, last+12))
			_, err := l.Sequence(t.Context(), "f", 7)
			must.OK(t, err)
			check(fmt.Sprint("page full, not sealed ", last))
			_, err = l.Seal(t.Context(), "f")
			must.OK(t, err)
			check(fmt.Sprint("sealed ", last))
			if last == 24 {
				must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
				check("new epoch")
			}
			storetest.Drain(t, l, "f")
			check(fmt.Sprint("drained ", last))
		}
	})
}

// withoutSchema sums up by type, the most frequent first.
func withoutSchema(counts []feed.TypeCount) []feed.TypeCount {
	var all []feed.TypeCount
	for _, c := range counts {
		if n := len(all); n > 0 && all[n-1].Type == c.Type {
			all[n-1].Events += c.Events
			all[n-1].First, all[n-1].Last = min(all[n-1].First, c.First), max(all[n-1].Last, c.Last)
			continue
		}
		c.DataSchema = ""
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b feed.TypeCount) int { return int(b.Events - a.Events) })
	return all
}

func TestSealersAtOnceCountEachEventOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		storetest.Create(t, l, "f", 3)
		storetest.Append(t, l, "f", typed(1, 600))
		for n := 1; n > 0; {
			var err error
			n, err = l.Sequence(t.Context(), "f", 1000)
			must.OK(t, err)
		}
		var sealers sync.WaitGroup
		for range 4 {
			sealers.Go(func() { sealAll(t, storetest.Open(t, url), "f") })
		}
		sealers.Wait()
		if got, want := allTypes(t, l, "f", 100), countedOneByOne(t, l, "f"); !slices.Equal(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		storetest.Verify(t, l, "f")
	})
}

// sealAll seals a feed's closed pages as a server does, which goes on if another one holds the lock for
// long.
func sealAll(t *testing.T, l *store.Log, name string) {
	for {
		n, err := l.Seal(t.Context(), name)
		switch {
		case explain.IsBusy(err):
		case err != nil:
			t.Error(err)
			return
		case n == 0:
			return
		}
	}
}

// A producer may have a type for each event: what is read is bounded, and says so.
func TestAFeedWithATypeForEachEventIsReadInParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 50)
		events := storetest.Events(1, 7520)
		for i := range events {
			events[i].Type = fmt.Sprintf("type/%04d", (i*7919)%7520) + strings.Repeat("x", 900)
			events[i].DataSchema = "urn:" + strings.Repeat("y", 1000)
		}
		storetest.Append(t, l, "f", events)
		storetest.Drain(t, l, "f")
		_, types, more, err := l.Types(t.Context(), "f", feed.TypeKey{}, 50)
		must.OK(t, err)
		if len(types) != 50 || !more || !strings.HasPrefix(types[49].Type, "type/0049x") {
			t.Errorf("%d types, more: %v", len(types), more)
		}
		_, d, err := l.Subscription(t.Context(), "f", nil)
		must.OK(t, err)
		if summary, is := d.Types(); is || summary != nil {
			t.Error("the document sums up what it has read a part of")
		}
		if all := allTypes(t, l, "f", 1000); len(all) != 7520 {
			t.Errorf("%d types", len(all))
		}
		storetest.Verify(t, l, "f")
	})
}

func TestVerifyFindsAWrongCountOfATypeAndNamesIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, url string) {
		storetest.Create(t, l, "f", 5)
		storetest.Append(t, l, "f", typed(1, 30))
		storetest.Drain(t, l, "f")
		for _, c := range []struct{ spoil, mend, want string }{
			{"UPDATE eventfeed.event_types SET events = events + 1 WHERE type = 'Paid' AND dataschema = ''", "UPDATE eventfeed.event_types SET events = events - 1 WHERE type = 'Paid' AND dataschema = ''", `type "Paid", dataschema ""`},
			{"UPDATE eventfeed.event_types SET first_position = first_position + 1 WHERE type = 'created'", "UPDATE eventfeed.event_types SET first_position = first_position - 1 WHERE type = 'created'", `type "created"`},
			{"INSERT INTO eventfeed.event_types VALUES (1, 'Never', 'urn:x', 1, 1, 1)", "DELETE FROM eventfeed.event_types WHERE type = 'Never'", `type "Never", dataschema "urn:x": the table of types has 1 events at positions 1 to 1, the archives have 0`},
			{"DELETE FROM eventfeed.event_types WHERE type = 'Paid'", "", `type "Paid", dataschema "": the table of types has 0 events`},
		} {
			runSQL(t, url, c.spoil)
			_, _, err := l.Verify(t.Context(), "f")
			if !errors.Is(err, store.ErrDoesNotAddUp) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.spoil, err, c.want)
			}
			if c.mend != "" {
				runSQL(t, url, c.mend)
				storetest.Verify(t, l, "f")
			}
		}
	})
}
