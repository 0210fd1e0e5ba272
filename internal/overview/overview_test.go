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
		"one slow query": {func(h *house, _ *store.Feed) {
			h.known.Err, h.known.TimedOut = errors.New("deadline"), true
			h.now = start.Add(42 * time.Second)
		}, []string{"warning: The query for the pending events and refused rows of the feeds took too long. The database answers others. This page shows these numbers as they were 42 s ago. → feedserver list"}},
		"all queries slow": {func(h *house, _ *store.Feed) {
			h.known.Err, h.known.TimedOut, h.cutOff = errors.New("deadline"), true, true
			h.now = start.Add(42 * time.Second)
		}, []string{"critical: The database has not answered for 42 s."}},
		"dead rows":     {func(h *house, _ *store.Feed) { h.known.DeadPending = overview.DeadRows + 1 }, []string{"warning: The table pending has 2,000,001 dead rows"}},
		"held":          {func(h *house, f *store.Feed) { f.Held = true; h.pending(1, minutes(90)) }, []string{"note: is held, and 1 event waits, the oldest for at least 1 h 30 min. → feedserver open orders"}},
		"moved":         {func(_ *house, f *store.Feed) { f.Moved = true }, []string{"critical: was written on another database than this one"}},
		"pending, 10 s": {func(h *house, _ *store.Feed) { h.pending(12, 10*time.Second) }, nil},
		"pending, 11 s": {func(h *house, _ *store.Feed) { h.pending(12, 11*time.Second) }, []string{"warning: has 12 pending events, the oldest for 11 s, which readers do not get. → feedserver list"}},
		"pending, 61 s": {func(h *house, _ *store.Feed) { h.pending(1, 61*time.Second) }, []string{"critical: has 1 pending event, the oldest for 61 s"}},
		"cannot place": {func(h *house, _ *store.Feed) {
			h.pending(1, time.Second)
			h.sequencer = map[string]string{"orders": "boom"}
		}, []string{"warning: has 1 pending event"}},
		"unsealed": {func(h *house, f *store.Feed) {
			f.Open.Number, h.known.Unsealed = 12, map[string]time.Duration{"orders": minutes(1)}
		}, []string{"warning: has 2 full pages that are not sealed. Readers do not get the events after position 1,000. → feedserver list"}},
		"a long queue": {func(h *house, _ *store.Feed) { h.pending(store.PendingCounted, minutes(2)) }, []string{"critical: has 10,000+ pending events"}},
		"just unsealed": {func(h *house, f *store.Feed) {
			f.Open.Number, h.known.Unsealed = 12, map[string]time.Duration{"orders": time.Second}
		}, nil},
		"cannot seal": {func(h *house, f *store.Feed) { f.Open.Number, h.sealer = 12, map[string]string{"orders": "boom"} }, []string{"warning: has 2 full pages"}},
		"refused": {func(h *house, _ *store.Feed) {
			h.known.Feeds[0].Refused, h.known.Feeds[0].RefusedFirst, h.known.Feeds[0].RefusedLast = 3, start, start.Add(minutes(5))
		}, []string{"warning: lacks 3 rows that were refused, the first at 2026-05-03 12:00:00 UTC, the last at 2026-05-03 12:05:00 UTC. So do its consumers. → feedserver refused orders"}},
		"refused within a second": {func(h *house, _ *store.Feed) {
			h.known.Feeds[0].Refused, h.known.Feeds[0].RefusedFirst, h.known.Feeds[0].RefusedLast = 3, start, start.Add(time.Millisecond)
		}, []string{"warning: lacks 3 rows that were refused at 2026-05-03 12:00:00 UTC. So do its consumers."}},
		"several":        {func(h *house, _ *store.Feed) { h.pending(1, minutes(2)); h.known.Feeds[0].Refused = 1 }, []string{"critical: has 1 pending event, the oldest for 2 min", "warning: lacks 1 row that was refused"}},
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

// The most frequent reason, and commands for the first row that has it.
func TestRefusedRowsHaveTheirReasonAndTheCommandsToRepairThem(t *testing.T) {
	t.Parallel()
	for want, test := range map[string]struct {
		refused int64
		reason  store.RefusedReason
		row     string
	}{
		"Reason: type is missing. The ":                     {2, store.RefusedReason{Text: "type is missing", Rows: 2, First: 7}, "7"},
		"2 of them: type is missing. The ":                  {3, store.RefusedReason{Text: "type is missing", Rows: 2, First: 7}, "7"},
		"990 of the first 1,000 rows: type is missing. The": {1001, store.RefusedReason{Text: "type is missing", Rows: 990, First: 12}, "12"},
		"The service's database committed":                  {1, store.RefusedReason{}, "NUMBER"},
	} {
		h := newHouse()
		h.known.Feeds[0].Refused, h.known.Feeds[0].RefusedReason = test.refused, test.reason
		report := h.report()
		p := &report.Problems[0]
		if !strings.HasPrefix(p.Why, want) || p.Next != "feedserver refused orders" {
			t.Errorf("%q, want %q: %+v", p.Why, want, p)
		}
		view, err := overview.Select(report, overview.Query{}, 50)
		must.OK(t, err)
		text := string(overview.Text(view))
		for _, command := range []string{"--show " + test.row + " > row.json\n", "--append " + test.row + " < row.json\n", "--discard " + test.row + "\n"} {
			if !strings.Contains(text, "  feedserver refused orders "+command) {
				t.Errorf("%q is not in\n%s", command, text)
			}
		}
	}
}

// A feed is held as long as this process has seen it, at least.
func TestAHeldFeedsOldestEventHasAnAgeOfAtLeastThat(t *testing.T) {
	t.Parallel()
	for held, want := range map[bool]string{true: "at least 1 h 30 min", false: "1 h 30 min"} {
		h := newHouse()
		h.states[0].Held = held
		h.pending(1, minutes(90))
		if got := h.report().Feeds[0].OldestText(); got != want {
			t.Errorf("held %v: %q, want %q", held, got, want)
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

// readerCase is what a reader of the feed orders did, at the times of a clock, and what it shows.
type readerCase struct {
	name   string
	kind   readers.Kind
	visits func(at func(seconds int) readers.Visit)
	now    int // seconds
	state  string
	behind string
	level  overview.Level
	what   string // a part of the problem
}

// polls lets a reader with all events up to a position ask every few seconds.
func polls(every, until int, position int64) func(at func(int) readers.Visit) {
	return func(at func(int) readers.Visit) {
		for second := 0; second <= until; second += every {
			v := at(second)
			v.Ask()
			v.At("e2", position)
		}
	}
}

// waits lets a reader long-poll until a second.
func waits(until int, position int64) func(at func(int) readers.Visit) {
	return func(at func(int) readers.Visit) {
		at(0).Wait("e2", position)
		at(until).Resume()
	}
}

// The feed gets its last 700 events at second 400. Silence, standing still and catching up are told apart, by
// what the reader did before.
func TestReaderShowsWhyItIsBehind(t *testing.T) {
	t.Parallel()
	const behind = "700 events, "
	for _, test := range []readerCase{
		{"waits", readers.Token, func(at func(int) readers.Visit) { at(390).Wait("e2", 1000) }, 900, "up to date, waiting for new events", "0 events, ", "", ""},
		{"polls", readers.Token, polls(5, 500, 1000), 502, "up to date, asks about every 5 s", "0 events, ", "", ""},
		{"silent with all events", readers.Token, polls(5, 400, 1000), 520, "up to date, silent for 2 min", "0 events, ", "", ""},
		{"killed while it polls", readers.Token, polls(5, 400, 300), 520, "silent for 2 min", behind + "2 min old", overview.Warning, "is 700 events behind, and has sent no request for 2 min (before that about every 5 s). Is it running?"},
		{"killed while it waits", readers.Certificate, waits(395, 300), 460, "silent for 65 s", behind + "60 s old", overview.Warning, "has sent no request for 65 s (before that it waited for new events without a break)"},
		{"not silent yet", readers.Token, polls(5, 400, 300), 459, "new events since its last request, asks about every 5 s", behind + "59 s old", "", ""},
		{"silent, without a name", readers.Address, polls(5, 400, 300), 520, "silent for 2 min", behind + "2 min old", overview.Note, "Is it running?"},
		{"came once, 4 min ago", readers.Token, func(at func(int) readers.Visit) { at(390).At("e2", 300) }, 640, "new events since its last request", behind + "4 min old", "", ""},
		{"came once, long ago", readers.Token, polls(5, 0, 300), 800, "silent for 13 min", behind + "6 min old", overview.Warning, "has sent no request for 13 min. Is it running?"},
		{"came once, without a name", readers.Address, polls(5, 0, 300), 800, "silent for 13 min", behind + "6 min old", "", ""},
		{"asks at long intervals", readers.Token, polls(200, 400, 300), 990, "new events since its last request, asks about every 3 min", behind + "9 min old", "", ""},
		{"silent at long intervals", readers.Token, polls(200, 400, 300), 1000, "silent for 10 min", behind + "10 min old", overview.Warning, "(before that about every 3 min)"},
		{"repeats its request", readers.Token, func(at func(int) readers.Visit) {
			for second := 410; second <= 530; second += 10 {
				v := at(second)
				v.Ask()
				v.Continue("e2", 300, 1000)
			}
		}, 531, "stuck for 2 min, still sends requests", behind + "2 min old", overview.Warning, "is 700 events behind, and has been stuck at position 300 for 2 min, although it sends requests."},
		{"repeats a page", readers.Token, func(at func(int) readers.Visit) {
			for second := 410; second <= 530; second += 10 {
				at(second).Page("e2", 3, 300)
			}
		}, 531, "stuck for 2 min, still sends requests", behind + "2 min old", overview.Warning, "stuck at position 300"},
		{"reads pages", readers.Token, func(at func(int) readers.Visit) {
			for n := range 13 {
				at(410+10*n).Page("e2", int64(n+1), int64(100+20*n))
			}
		}, 531, "catching up, reads page 13 of 13, 1.9/s, 5 min left", "660 events, 2 min old", "", ""},
		{"of a lost time", readers.Token, func(at func(int) readers.Visit) { at(0).At("e1", 501) }, 60, "has another history", "unknown, ", overview.Warning, "has events that the feed does not have"},
		{"of another, without a name", readers.Address, func(at func(int) readers.Visit) { at(0).OfOtherHistory() }, 60, "has another history", "unknown, ", overview.Note, "has events"},
		{"beyond the end", readers.Token, func(at func(int) readers.Visit) { at(0).At("e2", 1007) }, 60, "up to date", "0 events, ", "", ""},
		{"nothing known", readers.Token, func(at func(int) readers.Visit) { at(0) }, 60, "has fetched nothing yet", "unknown, ", "", ""},
	} {
		checkReader(t, &test)
	}
}

func checkReader(t *testing.T, test *readerCase) {
	t.Helper()
	h := newHouse()
	h.states[0].Epochs = []feed.Epoch{{ID: "e1", FirstPosition: 1}, {ID: "e2", FirstPosition: 100}}
	h.progress.Note("orders", "e2", 100, 50, start.Add(-minutes(10)))
	h.progress.Note("orders", "e2", 100, 300, start.Add(-minutes(9)))
	h.progress.Note("orders", "e2", 100, 1000, start.Add(400*time.Second))
	test.visits(func(second int) readers.Visit {
		h.readers.SetTime(func() time.Time { return start.Add(time.Duration(second) * time.Second) })
		return h.readers.Visit(readers.Identity{Feed: "orders", Kind: test.kind, Name: "r"}, "eventfeed")
	})
	h.now = start.Add(time.Duration(test.now) * time.Second)
	h.readers.SetTime(func() time.Time { return h.now })
	report := h.report()
	r, f := &report.Readers[0], &report.Feeds[0]
	what := ""
	for _, p := range report.Problems {
		what += p.What
	}
	if r.StateText() != test.state || r.BehindText()+", "+r.OldestText() != test.behind || r.Level() != test.level {
		t.Errorf("%s: %q, %q, %q, %+v", test.name, r.StateText(), r.BehindText()+", "+r.OldestText(), r.Level(), r.Problems)
	}
	if !strings.Contains(what, test.what) || (what == "") != (test.what == "") {
		t.Errorf("%s: %q, want %q", test.name, what, test.what)
	}
	if bad := test.level == overview.Warning; bad != (f.StateText() == "1 reader late") || bad != f.Level().IsBad() {
		t.Errorf("%s: the feed is %q", test.name, f.StateText())
	}
}

// EventfeedReaderBehind fires for a reader that catches up for more than five minutes: the page says so, and
// warns if the feed is faster.
func TestReaderThatCatchesUpForLongIsANote(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		each  int64 // positions that the feed gets in 10 s
		level overview.Level
		text  string
	}{
		"fast enough": {1, overview.Note, "is 281 events behind and catching up, reads page 41 of 41, 10/s, 28 s left."},
		"too slow":    {200, overview.Warning, "events behind and does not catch up: it gets 10/s, and the feed 20/s."},
	} {
		h := newHouse()
		h.progress.Note("orders", "e2", 501, 0, start.Add(-minutes(20)))
		for n := range int64(41) {
			now := start.Add(time.Duration(10*n) * time.Second)
			h.readers.SetTime(func() time.Time { return now })
			h.now, h.states[0].Published = now, 4_641+test.each*n
			h.progress.Note("orders", "e2", 501, h.states[0].Published, now)
			h.visit("r").Page("e2", n+1, 100*n+400)
		}
		if all := h.report().Problems; len(all) != 1 || all[0].Level != test.level || !strings.Contains(all[0].What, test.text) {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

// A search narrows the tables, and never what needs attention.
func TestSearchHidesNoProblemAndNoTotal(t *testing.T) {
	t.Parallel()
	h := newHouse()
	h.known.Feeds[0].Refused = 1
	h.visit("mailing").OfOtherHistory()
	h.visit("shipping").At("e2", 1000)
	r := h.report()
	for query, want := range map[string]string{"": "2 2 1 1 2", "q=ship": "2 1 1 1 2", "q=nothing": "2 0 0 1 2", "reader=mailing": "1 1 1 1 2", "feed=orders": "2 2 1 1 2"} {
		values, err := url.ParseQuery(query)
		must.OK(t, err)
		q, err := overview.ParseQuery(values)
		must.OK(t, err)
		v, err := overview.Select(r, q, 50)
		must.OK(t, err)
		if got := fmt.Sprint(v.ProblemsTotal, len(v.Readers), len(v.Feeds), v.FeedsTotal, v.ReadersTotal); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		if says := strings.Contains(string(overview.Text(v)), "The tables show only readers with"); says != (q.Search != "") {
			t.Errorf("%s: says that it is a part: %v", query, says)
		}
	}
	_, err := overview.Select(r, overview.Query{Reader: "mailin"}, 50)
	if err == nil || !strings.Contains(err.Error(), "did you mean mailing?") {
		t.Errorf("%v", err)
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
