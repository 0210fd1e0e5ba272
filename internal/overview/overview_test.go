package overview_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/overview"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
)

var start = time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)

// house is what a report is made of.
type house struct {
	states            []*feedstate.State
	known             overview.Known
	cutOff            bool
	notReady          error
	sequencer, sealer map[string]string
	readers           readers.List
	progress          readers.Progress
	now               time.Time
}

// newHouse returns a server with the feed "orders", in its second epoch, at position 1,000.
func newHouse() *house {
	return &house{
		now: start, known: overview.Known{Answered: start, Stats: store.Stats{Feeds: []store.FeedStats{{Name: "orders", EpochStarted: start, EpochReason: "restored"}}}},
		states: []*feedstate.State{{Feed: store.Feed{
			Name: "orders", Position: 1000, Published: 1000, Archives: 9, Open: store.OpenPage{Number: 10},
			Epochs: []feed.Epoch{{ID: "e1", FirstPosition: 1}, {ID: "e2", FirstPosition: 501}},
		}}},
	}
}

func (h *house) report() *overview.Report {
	return overview.Gather(overview.Sources{
		Started: start, Version: "1.0", Ready: func() error { return h.notReady },
		Live: &overview.Live{
			Feeds:   func() []*feedstate.State { return h.states },
			CutOff:  func() (time.Duration, bool) { return 0, h.cutOff },
			Known:   func() overview.Known { return h.known },
			Failing: func() (a, b map[string]string) { return h.sequencer, h.sealer },
			Readers: &h.readers, Progress: &h.progress,
		},
	}, h.now)
}

// visit notes a request of a token's reader.
func (h *house) visit(name string) readers.Visit {
	return h.readers.Visit(readers.Identity{Feed: "orders", Kind: readers.Token, Name: name}, "eventfeed")
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

// Whatever is wrong has a level, words that can be found in the documentation, and a next command.
func TestEachProblemNamesTheNextCommand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(h *house, f *store.Feed)
		want   []string // level: what → next; a prefix of each
	}{
		"nothing":       {func(*house, *store.Feed) {}, nil},
		"no answer yet": {func(h *house, _ *store.Feed) { h.known.Answered, h.cutOff = time.Time{}, true }, []string{"critical: The database has not answered yet. → feedserver list"}},
		"database away": {func(h *house, _ *store.Feed) {
			h.known.Err = errors.New("refused")
			h.now = start.Add(42 * time.Second)
		}, []string{"critical: The database has not answered for 42 s."}},
		"dead rows":     {func(h *house, _ *store.Feed) { h.known.DeadPending = overview.DeadRows + 1 }, []string{"warning: The table pending has 2,000,001 dead rows"}},
		"held":          {func(h *house, f *store.Feed) { f.Held = true; h.known.Feeds[0].Pending = 1 }, []string{"note: held: 1 event is pending until it is opened. → feedserver open orders"}},
		"moved":         {func(_ *house, f *store.Feed) { f.Moved = true }, []string{"critical: the database is another one"}},
		"pending, 10 s": {func(h *house, _ *store.Feed) { h.pending(12, 10*time.Second) }, nil},
		"pending, 11 s": {func(h *house, _ *store.Feed) { h.pending(12, 11*time.Second) }, []string{"warning: 12 events are pending, the oldest for 11 s: readers do not get them. → feedserver list"}},
		"pending, 61 s": {func(h *house, _ *store.Feed) { h.pending(1, 61*time.Second) }, []string{"critical: 1 event is pending, the oldest for 61 s"}},
		"cannot place": {func(h *house, _ *store.Feed) {
			h.pending(1, time.Second)
			h.sequencer = map[string]string{"orders": "boom"}
		}, []string{"warning: 1 event is pending"}},
		"unsealed": {func(h *house, f *store.Feed) {
			f.Open.Number, h.known.Unsealed = 12, map[string]time.Duration{"orders": minutes(1)}
		}, []string{"warning: 2 pages are full and not sealed: readers do not get the events after position 1,000. → feedserver list"}},
		"a long queue": {func(h *house, _ *store.Feed) { h.pending(store.PendingCounted, minutes(2)) }, []string{"critical: 10,000+ events are pending"}},
		"just unsealed": {func(h *house, f *store.Feed) {
			f.Open.Number, h.known.Unsealed = 12, map[string]time.Duration{"orders": time.Second}
		}, nil},
		"cannot seal":    {func(h *house, f *store.Feed) { f.Open.Number, h.sealer = 12, map[string]string{"orders": "boom"} }, []string{"warning: 2 pages are full"}},
		"refused":        {func(h *house, _ *store.Feed) { h.known.Feeds[0].Refused = 3 }, []string{"warning: 3 rows were refused: consumers lack them. → feedserver refused orders"}},
		"several":        {func(h *house, _ *store.Feed) { h.pending(1, minutes(2)); h.known.Feeds[0].Refused = 1 }, []string{"critical: 1 event is pending, the oldest for 2 min", "warning: 1 row was refused"}},
		"a lost history": {func(h *house, _ *store.Feed) { h.visit("shipping").OfOtherHistory() }, []string{"warning: has events that the feed does not have"}},
	} {
		h := newHouse()
		test.change(h, &h.states[0].Feed)
		var got []string
		for _, p := range h.report().Problems {
			got = append(got, fmt.Sprintf("%s: %s → %s", p.Level, p.What, p.Next))
			if p.Next == "" || p.Where == "" {
				t.Errorf("%s: what is next? %+v", name, p)
			}
			if (name == "cannot place" || name == "cannot seal") && !strings.HasSuffix(p.Why, "retrying: boom") {
				t.Errorf("%s: it does not say why: %+v", name, p)
			}
		}
		if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func (h *house) pending(n int64, oldest time.Duration) {
	h.known.Feeds[0].Pending, h.known.Oldest = n, map[string]time.Duration{"orders": oldest}
}

func TestServerThatHasNotReadItsFeedsSaysSo(t *testing.T) {
	t.Parallel()
	r := overview.Gather(overview.Sources{Ready: func() error { return errors.New("starting: the feeds were not read yet") }}, start)
	view, err := overview.Select(r, overview.Query{}, 50)
	must.OK(t, err)
	if text := string(overview.Text(view)); !strings.Contains(text, "starting: the feeds were not read yet") || !strings.Contains(text, "feedserver list") {
		t.Error(text)
	}
}

// A reader is late if it lacks events for five minutes and does not just read them, unless it asks at
// longer intervals.
func TestReaderIsAProblemOnlyOnceItIsLate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		visit   func(h *house)
		later   time.Duration
		state   string
		behind  string
		problem bool
	}{
		"has all":        {func(h *house) { h.visit("r").At("e2", 1000) }, minutes(10), "away for 10 min", "0", false},
		"waits":          {func(h *house) { h.visit("r").Wait("e2", 1000) }, minutes(10), "waiting", "0", false},
		"a little late":  {func(h *house) { h.visit("r").At("e2", 990) }, minutes(3), "polling", "10 events, 4 min", false},
		"late":           {func(h *house) { h.visit("r").At("e2", 990) }, minutes(7), "away for 7 min", "10 events, 8 min", true},
		"very late":      {func(h *house) { h.visit("r").At("e2", 900) }, minutes(7), "away for 7 min", "100 events, more than 9 min", true},
		"of a lost time": {func(h *house) { h.visit("r").At("e1", 501) }, minutes(1), "polling", "unknown", true},
		"before it":      {func(h *house) { h.visit("r").At("e1", 500) }, minutes(1), "polling", "500 events, more than 3 min", false},
		"unknown epoch":  {func(h *house) { h.visit("r").At("e0", 1) }, minutes(1), "polling", "unknown", true},
		"beyond the end": {func(h *house) { h.visit("r").At("e2", 1007) }, minutes(1), "polling", "0", false},
		"unknown":        {func(h *house) { h.visit("r") }, minutes(1), "polling", "unknown", false},
	} {
		h := newHouse()
		now := start
		h.readers.SetTime(func() time.Time { return now })
		h.progress.Note("orders", "e2", 501, 985, start.Add(-minutes(2)))
		h.progress.Note("orders", "e2", 501, 1000, start.Add(-minutes(1)))
		test.visit(h)
		now = start.Add(test.later)
		h.now = now
		r := h.report().Readers[0]
		if r.StateText() != test.state || r.BehindText() != test.behind || (len(r.Problems) > 0) != test.problem {
			t.Errorf("%s: %s, %s, %+v", name, r.StateText(), r.BehindText(), r.Problems)
		}
		if r.Position != nil && *r.Position > 1000 {
			t.Errorf("%s: at %d of 1000", name, *r.Position)
		}
	}
}

func TestReaderThatAsksOnceAnHourIsNotLateInBetween(t *testing.T) {
	t.Parallel()
	h := newHouse()
	now := start
	h.readers.SetTime(func() time.Time { return now })
	h.progress.Note("orders", "e2", 501, 990, start)
	for range 2 {
		v := h.visit("hourly")
		v.Ask()
		v.At("e2", 990)
		now = now.Add(time.Hour)
	}
	h.progress.Note("orders", "e2", 501, 1000, now.Add(-minutes(50)))
	for later, late := range map[time.Duration]bool{0: false, minutes(59): false, minutes(61): true} {
		h.now = now.Add(later)
		if r := h.report().Readers[0]; (len(r.Problems) > 0) != late {
			t.Errorf("%v later: %s, %+v", later, r.StateText(), r.Problems)
		}
	}
}

// With thousands of feeds the bad ones come first, a page shows 50, and a search finds the others.
func TestBadFeedsComeFirstAndListsAreShort(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.states, h.known.Feeds = nil, nil
	for n := range 3000 {
		name := fmt.Sprintf("feed-%04d", n)
		h.states = append(h.states, &feedstate.State{Feed: store.Feed{Name: name, Held: n == 7, Moved: n == 2999, Epochs: []feed.Epoch{{ID: name}}}})
		h.known.Feeds = append(h.known.Feeds, store.FeedStats{Name: name, Refused: int64(n / 2998)})
		h.readers.Visit(readers.Identity{Feed: name, Kind: readers.Address, Name: "10.0.0.1"}, "eventfeed").At(name, 0)
	}
	r := h.report()
	if got := []string{r.Feeds[0].Name, r.Feeds[1].Name, r.Feeds[2].Name, r.Feeds[3].Name}; !slices.Equal(got, []string{"feed-2999", "feed-2998", "feed-0007", "feed-0000"}) {
		t.Errorf("in the order %q", got)
	}
	for _, test := range []struct {
		query                       string
		feeds, first, readers, page int
		name                        string
	}{
		{"", 50, 3000, 50, 1, "feed-2999"},
		{"feeds=2&readers=20", 50, 3000, 50, 2, "feed-0048"},
		{"feeds=60", 50, 3000, 50, 60, "feed-2948"},
		{"feeds=1000&readers=1000", 50, 3000, 50, 60, "feed-2948"},
		{"q=FEED-29", 50, 100, 50, 1, "feed-2999"},
		{"feed=feed-0042", 1, 1, 0, 1, "feed-0042"},
		{"q=nothing", 0, 0, 0, 1, ""},
	} {
		values, err := url.ParseQuery(test.query)
		must.OK(t, err)
		q, err := overview.ParseQuery(values)
		must.OK(t, err)
		v, err := overview.Select(r, q, overview.ShownRows)
		must.OK(t, err)
		name := ""
		if len(v.Feeds) > 0 {
			name = v.Feeds[0].Name
		}
		if len(v.Feeds) != test.feeds || v.FeedsPages.Total != test.first || len(v.Readers) != test.readers || v.FeedsPages.Page != test.page || name != test.name {
			t.Errorf("%s: %d feeds of %+v, %d readers of %+v, the first %s", test.query, len(v.Feeds), v.FeedsPages, len(v.Readers), v.ReadersPages, name)
		}
	}
	for query, want := range map[string]string{
		"feed=feed-004": `feed "feed-004": no such feed; did you mean feed-`, "feeds=0": `feeds="0": must be the number of a page`,
		"readers=x": `readers="x"`, "q=" + strings.Repeat("x", 300): "q: at most 200 bytes",
	} {
		values, err := url.ParseQuery(query)
		must.OK(t, err)
		q, err := overview.ParseQuery(values)
		if err == nil {
			_, err = overview.Select(r, q, 50)
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40s: %v", query, err)
		}
	}
}

// A list is [] in JSON and not null, and what is unknown is null.
func TestJSONHasListsAndNulls(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.visit("new")
	view, err := overview.Select(h.report(), overview.Query{}, overview.JSONRows)
	must.OK(t, err)
	text, err := json.Marshal(view)
	must.OK(t, err)
	for _, want := range []string{`"problems":[]`, `"position":null,"behind_events":null`, `"events_per_second":0`, `"oldest_pending_seconds":0.0`, `"kind":"token","name":"new"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
	view, err = overview.Select(overview.Gather(overview.Sources{Ready: func() error { return nil }}, start), overview.Query{}, 1)
	must.OK(t, err)
	empty, err := json.Marshal(view)
	must.OK(t, err)
	if !strings.Contains(string(empty), `"feeds":[],"readers":[]`) {
		t.Errorf("%s", empty)
	}
}

// Names and programs are a client's: the text for a terminal escapes what a terminal obeys.
func TestTextEscapesWhatClientsSend(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.readers.Visit(readers.Identity{Feed: "orders", Kind: readers.Certificate, Name: "a\x1b[31m\nb"}, "x\u202ey").At("e2", 1)
	view, err := overview.Select(h.report(), overview.Query{}, 50)
	must.OK(t, err)
	text := string(overview.Text(view))
	if strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, `a\x1b[31m\nb  orders`) {
		t.Error(text)
	}
}

func TestDurationsAreInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", 119 * time.Second: "119 s", 2 * time.Minute: "2 min", minutes(61): "1 h 1 min", 47 * time.Hour: "47 h 0 min", 80 * time.Hour: "3 days",
	} {
		if got := overview.Seconds(d).String(); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}
