package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	"github.com/eventfeed/eventfeed/internal/compress"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

func TestCreateRefusesWhatCannotBeAFeed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "orders", 0)
		if _, err := l.Create(t.Context(), store.Feed{Name: "orders"}); !errors.Is(err, store.ErrFeedExists) {
			t.Errorf("second feed of the name: %v", err)
		}
		for _, f := range []store.Feed{
			{Name: "../etc"}, {Name: "orders.atom"}, {Name: "orders.gz"}, {Name: "a", PageSize: -1}, {Name: "a", PageSize: feed.MaxPageSize + 1},
			{Name: "a", PageBytes: -1}, {Name: "a", Title: "two\nlines"}, {Name: "a", Author: "\xff"},
		} {
			if _, err := l.Create(t.Context(), f); err == nil {
				t.Errorf("%+v was made", f)
			}
		}
		if _, err := l.Feed(t.Context(), "nothing"); !errors.Is(err, store.ErrNoFeed) {
			t.Errorf("a feed that is not there: %v", err)
		}
	})
}

func TestEventsComeOutAsTheyWentIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "all", 3)
		in := storetest.Events(1, 10)
		in[1].Data, in[1].DataContentType = []byte{0, 0xff, '\r'}, "application/octet-stream"
		in[2].Extensions = map[string]string{"traceparent": "00-1", "n": "5"}
		in[3].Data, in[3].DataContentType, in[3].Subject = nil, "", ""
		in[4].Data = []byte("{ \"a\" :  1.50 }")
		in[5].DataSchema, in[5].ID = "https://example.org/s", `it's "quoted", \ {and} 😀`
		in[6].Data = make([]byte, 1<<20)
		storetest.Append(t, l, "all", in)
		storetest.Drain(t, l, "all")
		out := storetest.Read(t, l, "all")
		if len(out) != len(in) {
			t.Fatalf("%d events, want %d", len(out), len(in))
		}
		for i := range in {
			if got, want := fmt.Sprintf("%+v", out[i].Event), fmt.Sprintf("%+v", in[i]); got != want || out[i].Position != int64(i+1) {
				t.Errorf("position %d:\n got %.300s\nwant %.300s", out[i].Position, got, want)
			}
		}
		storetest.Verify(t, l, "all")
	})
}

func TestPagesCloseWhereTheyAreFull(t *testing.T) {
	size := cloudevents.Size(&storetest.Events(10, 10)[0]) - 1 // with an id of two digits and a number of one
	for name, test := range map[string]struct {
		feed  store.Feed
		large int // this event is larger than a page
		want  string
	}{
		"by events":                    {store.Feed{Name: "f", PageSize: 4}, 0, "[1-4 5-8]"},
		"by bytes":                     {store.Feed{Name: "f", PageBytes: 3*size + size/2}, 0, "[1-3 4-6 7-9]"},
		"exactly by bytes":             {store.Feed{Name: "f", PageBytes: 5 * size}, 0, "[1-5 6-10]"},
		"a larger event alone":         {store.Feed{Name: "f", PageBytes: 3*size + size/2}, 5, "[1-3 4-4 5-5 6-8]"},
		"a larger event alone, at one": {store.Feed{Name: "f", PageBytes: 4 * size}, 1, "[1-1 2-5 6-9]"},
		"one a page":                   {store.Feed{Name: "f", PageSize: 1}, 0, "[1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8 9-9 10-10]"},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
				f, err := l.Create(t.Context(), test.feed)
				must.OK(t, err)
				events := storetest.Events(1, 10)
				for i := range events {
					events[i].ID = fmt.Sprintf("%02d", i)
					events[i].Data = []byte(`{"n":0}`)
				}
				if test.large > 0 {
					events[test.large-1].Data = make([]byte, 10*size)
				}
				for _, e := range events { // one by one: where a page ends must not hang on the batches
					storetest.Append(t, l, "f", []event.Event{e})
					_, err := l.Sequence(t.Context(), "f", 1)
					must.OK(t, err)
				}
				storetest.Drain(t, l, "f")
				pages, err := l.Pages(t.Context(), f.Key, 1, 100)
				must.OK(t, err)
				var got []string
				for _, p := range pages {
					got = append(got, fmt.Sprintf("%d-%d", p.First, p.Last))
				}
				if fmt.Sprint(got) != test.want {
					t.Errorf("pages %v, want %s", got, test.want)
				}
				storetest.Verify(t, l, "f")
			})
		})
	}
}

func TestNewestArchiveHasNoNextOneAndBecomesFinal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 3)
		var before []byte
		for n := 1; n <= 5; n++ { // two positions a time, so that pages are sealed one by one and in pairs
			storetest.Append(t, l, "f", storetest.Events(4*n-3, 4*n))
			storetest.Drain(t, l, "f")
			f, err := l.Feed(t.Context(), "f")
			must.OK(t, err)
			for number := int64(1); number <= f.Archives; number++ {
				_, d, err := l.Archive(t.Context(), "f", feed.Page{Epoch: f.Epoch(), Number: number})
				must.OK(t, err)
				document := decode(t, d)
				newest := number == f.Archives
				if (d.Stage == store.Newest) != newest || (document.Next == nil) != newest {
					t.Errorf("page %d of %d: stage %s, next %v", number, f.Archives, d.Stage, document.Next)
				}
				if number == 1 && !newest {
					if before != nil && !bytes.Equal(before, d.Body) {
						t.Error("a final archive has changed")
					}
					before = d.Body
				}
			}
		}
		storetest.Verify(t, l, "f")
	})
}

func decode(t *testing.T, stored store.Document) *feed.Document {
	t.Helper()
	body, err := compress.Unzstd(stored.Body)
	must.OK(t, err)
	d, err := feed.Decode(body)
	must.OK(t, err)
	must.OK(t, d.Check())
	return d
}

func TestSubscriptionDocumentEndsWithTheFirstFullPage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 100)
		storetest.Append(t, l, "f", storetest.Events(1, 330))
		_, err := l.Sequence(t.Context(), "f", 1000)
		must.OK(t, err)
		for _, want := range []struct{ archives, first, last int64 }{{0, 1, 100}, {3, 281, 330}} {
			_, d, err := l.Subscription(t.Context(), "f", nil)
			must.OK(t, err)
			must.OK(t, d.Check())
			if d.Archives != want.archives || d.First != want.first || d.Last != want.last {
				t.Errorf("archives %d, positions %d to %d, want %+v", d.Archives, d.First, d.Last, want)
			}
			storetest.Drain(t, l, "f")
		}
	})
}

func TestAppendingTheSameAgainChangesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 0)
		storetest.Append(t, l, "f", storetest.Events(1, 5))
		added, err := l.Append(t.Context(), "f", storetest.Events(4, 8))
		must.OK(t, err)
		if added != 3 {
			t.Errorf("%d were added, want 3", added)
		}
		storetest.Drain(t, l, "f")
		if position, _ := storetest.Verify(t, l, "f"); position != 8 {
			t.Errorf("position %d, want 8", position)
		}
	})
}

func TestNewEpochClosesThePageAndTheOldOneEndsThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 4)
		storetest.Append(t, l, "f", storetest.Events(1, 10))
		storetest.Drain(t, l, "f")
		before, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
		must.OK(t, l.NewEpoch(t.Context(), "f", "twice at one position"))
		moved, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		if moved.Published != before.Published {
			t.Errorf("documents show position %d, after %d had been shown", moved.Published, before.Published)
		}
		if _, _, err := l.Archive(t.Context(), "f", feed.Page{Epoch: moved.Epoch(), Number: 2}); err != nil {
			t.Errorf("the newest archive is not there under the new epoch at once: %v", err)
		}
		storetest.Append(t, l, "f", storetest.Events(11, 16))
		storetest.Drain(t, l, "f")
		f, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		if len(f.Epochs) != 3 || f.Epochs[1].FirstPosition != 11 || f.Epochs[2].FirstPosition != 11 || f.Epochs[1].FirstPage != 2 || f.Epochs[2].FirstPage != 2 || f.Epochs[2].DigestBefore != before.Digest {
			t.Fatalf("epochs %+v", f.Epochs)
		}
		old, current := before.Epoch(), f.Epoch()
		for _, want := range []struct {
			page feed.Page
			err  error
		}{
			{feed.Page{Epoch: old, Number: 1}, nil},               // final, so it stays
			{feed.Page{Epoch: old, Number: 2}, store.ErrPageGone}, // was the newest: who knows what it became
			{feed.Page{Epoch: old, Number: 3}, store.ErrPageGone}, // was open
			{feed.Page{Epoch: f.Epochs[1].ID, Number: 2}, store.ErrPageGone},
			{feed.Page{Epoch: current, Number: 1}, store.ErrNoPage},
			{feed.Page{Epoch: current, Number: 2}, nil},
			{feed.Page{Epoch: current, Number: 3}, nil}, // closed short
			{feed.Page{Epoch: current, Number: 4}, nil},
			{feed.Page{Epoch: current, Number: 9}, store.ErrNoPage},
			{feed.Page{Epoch: "none", Number: 1}, store.ErrNoPage},
		} {
			if _, _, err := l.Archive(t.Context(), "f", want.page); !errors.Is(err, want.err) {
				t.Errorf("page %+v: %v, want %v", want.page, err, want.err)
			}
		}
		storetest.Verify(t, l, "f")
	})
}

func TestVerifyLooksAtAFeedThatGoesOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		storetest.Create(t, l, "f", 5)
		for n := range 20 {
			storetest.Append(t, l, "f", storetest.Events(7*n+1, 7*n+7))
			_, err := l.Sequence(t.Context(), "f", 4)
			must.OK(t, err)
			_, err = l.Seal(t.Context(), "f")
			must.OK(t, err)
			storetest.Verify(t, l, "f")
		}
	})
}

// TestSubscriptionDocumentIsTheSameHoweverItWasRead goes on from each document
// before it, as a server does, and reads each anew, as another server does.
func TestSubscriptionDocumentIsTheSameHoweverItWasRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		_, err := l.Create(t.Context(), store.Feed{Name: "f", PageSize: 30, PageBytes: 4000})
		must.OK(t, err)
		var known *feed.Document
		for n := range 60 {
			events := storetest.Events(7*n+1, 7*n+7)
			events[n%7].Data = fmt.Appendf(nil, `%0*d`, n*n*7%3900, 1)
			events[n%7].DataContentType = "text/plain"
			storetest.Append(t, l, "f", events)
			if n%3 > 0 {
				_, err := l.Sequence(t.Context(), "f", 5+n%5)
				must.OK(t, err)
			}
			if n%4 == 0 {
				storetest.Drain(t, l, "f")
			}
			if n%17 == 16 {
				must.OK(t, l.NewEpoch(t.Context(), "f", "test"))
			}
			_, anew, err := l.Subscription(t.Context(), "f", nil)
			must.OK(t, err)
			must.OK(t, anew.Check())
			_, known, err = l.Subscription(t.Context(), "f", known)
			must.OK(t, err)
			if a, b := feed.AppendDocument(nil, anew), feed.AppendDocument(nil, known); !bytes.Equal(a, b) {
				t.Fatalf("after %d: read anew %.1500s\ngone on %.1500s", n, a, b)
			}
		}
	})
}

func TestAnEventIsFoundByItsID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, l *store.Log, _ string) {
		f := storetest.Create(t, l, "f", 5)
		storetest.Create(t, l, "other", 5)
		events := storetest.Events(1, 9)
		events[3].Source, events[3].ID = "/a", "7"
		events[4].Source, events[4].ID = "/z", "7"
		storetest.Append(t, l, "f", events)
		storetest.Append(t, l, "other", storetest.Events(7, 10))
		find := func(source, id string) string {
			positions, err := l.Find(t.Context(), f.Key, source, id)
			must.OK(t, err)
			return fmt.Sprint(positions)
		}
		if got := find("", "7"); got != "[]" {
			t.Errorf("events without a position are at %s", got)
		}
		storetest.Drain(t, l, "f")
		for _, test := range []struct{ source, id, want string }{
			{"", "7", "[4 5 7]"}, {"/a", "7", "[4]"}, {"/test", "7", "[7]"}, {"/z", "7", "[5]"}, {"", "2", "[2]"},
			{"/test", "4", "[]"}, {"/b", "7", "[]"}, {"", "10", "[]"}, {"", "", "[]"},
		} {
			if got := find(test.source, test.id); got != test.want {
				t.Errorf("source %q, id %q: positions %s, want %s", test.source, test.id, got, test.want)
			}
		}
	})
}
