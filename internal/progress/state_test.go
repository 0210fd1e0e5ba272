package progress

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/seed"
)

// stateOf returns the state of a health, whose errors are shown as they are.
func stateOf(s *Health) *html.Seeder {
	state := s.State(error.Error)
	state.Sentence = Sentence(state)
	return state
}

func TestStateSaysInOneSentenceWhatTheRunDoes(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	for name, test := range map[string]struct {
		do              func(s *Health, pass func(time.Duration))
		state, sentence string
		troubles        string
	}{
		"before anything": {func(*Health, func(time.Duration)) {}, "starting", "Starting: nothing was read yet.", ""},
		"the target is away from the start": {func(s *Health, pass func(time.Duration)) {
			s.Update(seed.Progress{Target: seed.TargetProgress{Err: refused, Away: s.now()}})
			pass(65 * time.Second)
		}, "waiting", "Waiting: the target is unavailable, since 2027-01-15 08:00:00 UTC (for 1 min 05 s).", "target the target is unavailable: connection refused"},
		"the server is away from the start": {func(s *Health, _ func(time.Duration)) {
			s.answered("http://shop.example", refused)
		}, "waiting", "Waiting: http://shop.example is unavailable, since 2027-01-15 08:00:00 UTC (for 0 s).", "server http://shop.example is unavailable: connection refused"},
		"held": {func(s *Health, _ func(time.Duration)) {
			p := one(3, 9, true)
			p.Target = seed.TargetProgress{Err: seed.ErrHeld, Away: s.now()}
			s.Update(p)
		}, "held", "Waiting: another seeder holds the consumer, since 2027-01-15 08:00:00 UTC (for 0 s).", "held another seeder holds the consumer: another seeder holds this consumer"},
		"seeding": {func(s *Health, pass func(time.Duration)) {
			s.Update(one(0, 40_000, false))
			pass(5 * time.Second)
			s.Update(one(10_000, 40_000, false))
		}, "seeding", "Seeding: the run has reached event 10,000 of 40,000, about 15 s left.", ""},
		"at the end": {func(s *Health, _ func(time.Duration)) { s.Update(one(25, 25, true)) }, "following", "Following: the run has reached the end of its feeds.", ""},
		"with one parked": {func(s *Health, _ func(time.Duration)) {
			p := one(25, 25, true)
			p.Feeds[0].Waiting = 1
			s.Update(p)
		}, "following", "Following, but 1 event is parked, so the target is not up to date: each failed, or waits for an earlier event of the same entity that failed.", ""},
		"behind, with some parked": {func(s *Health, _ func(time.Duration)) {
			p := one(25, 26, true)
			p.Feeds[0].Waiting = 2
			s.Update(p)
		}, "following", "Following: 1 event behind. 2 events are parked and missing in the target: each failed, or waits for an earlier event of the same entity that failed.", ""},
		"a little behind": {func(s *Health, _ func(time.Duration)) { s.Update(one(25, 26, true)) }, "following", "Following: 1 event behind.", ""},
		"far behind": {func(s *Health, pass func(time.Duration)) {
			s.Update(one(25, 1025, true))
			pass(11 * time.Second)
		}, "following", "Following: 1,000 events behind.", "lag feed orders lags: 1,000 events, 11 s; --max-lag allows 10s"},
		"everything is away": {func(s *Health, _ func(time.Duration)) {
			p := one(25, 25, true)
			p.Target = seed.TargetProgress{Err: refused, Away: s.now()}
			s.Update(p)
			s.answered("http://b.example", refused)
			s.answered("http://a.example", errors.New("it answered with status 503"))
			s.answered("http://c.example", nil)
		}, "waiting", "Waiting: the target is unavailable, since 2027-01-15 08:00:00 UTC (for 0 s).",
			"target the target is unavailable: connection refused\nserver http://a.example is unavailable: it answered with status 503\nserver http://b.example is unavailable: connection refused"},
		"the server is back": {func(s *Health, _ func(time.Duration)) {
			s.Update(one(25, 25, true))
			s.answered("http://a.example", refused)
			s.answered("http://a.example", nil)
		}, "following", "Following: the run has reached the end of its feeds.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, pass := healthAt(10 * time.Second)
			test.do(s, pass)
			got := stateOf(s)
			var troubles []string
			for _, trouble := range got.Troubles {
				troubles = append(troubles, trouble.Kind+" "+trouble.What+": "+trouble.Error)
			}
			if all := strings.Join(troubles, "\n"); got.State != test.state || got.Sentence != test.sentence || all != test.troubles {
				t.Errorf("%s: %s\n%s\nwant %s: %s\n%s", got.State, got.Sentence, all, test.state, test.sentence, test.troubles)
			}
		})
	}
}

func TestStateHasAtMostFiftyRowsOfEachList(t *testing.T) {
	t.Parallel()
	s, _ := healthAt(0)
	p := one(1, 1, true)
	p.Types, p.ParkedTypes = map[string]int64{"often": 9, "seldom": 1}, map[string]int64{"parked": 5, "seldom": 2}
	p.SkippedTypes = map[string]int64{"often": 4}
	for n := range 99 {
		p.Types[strings.Repeat("x", n)] = 1
		p.Unmatched = append(p.Unmatched, seed.Unmatched{Place: "shop.sql:1", Name: "T"})
	}
	s.Update(p)
	got := stateOf(s)
	want := []html.SeederType{{Type: "often", Applied: 5, Skipped: 4}, {Type: "parked", Parked: 5}, {Type: "seldom", Applied: 1, Parked: 2}}
	for i, w := range want {
		if got.Types[i] != w {
			t.Errorf("type %d is %+v, want %+v", i, got.Types[i], w)
		}
	}
	if len(got.Types) != 50 || got.MoreTypes != 52 || len(got.Unmatched) != 50 {
		t.Errorf("%d types and %d more, %d blocks", len(got.Types), got.MoreTypes, len(got.Unmatched))
	}
}

// The parts do not overlap, and their sum is the time since the start.
func TestStateSaysWhereTheTimeGoes(t *testing.T) {
	t.Parallel()
	s, pass := healthAt(0)
	s.started = s.now()
	pass(2 * time.Second)
	s.Update(one(0, 100, false))
	pass(10 * time.Second)
	p := one(100, 100, true)
	p.WaitPages, p.Apply, p.Commit, p.Fetch, p.Decode = 5*time.Second, 3*time.Second, time.Second, 40*time.Second, 7*time.Second
	s.Update(p)
	pass(80 * time.Second) // idle
	p.Feeds = one(100, 101, true).Feeds
	s.Update(p)
	pass(time.Second) // not idle
	p.Target.Err, p.Feeds = errors.New("away"), one(101, 101, true).Feeds
	s.Update(p)
	pass(7 * time.Second) // nor is that
	var parts []string
	for _, took := range append(stateOf(s).Took, stateOf(s).InParallel...) {
		parts = append(parts, took.On+" "+took.Time+" "+took.Share)
	}
	const want = "pages 5.0 s 5 %, apply 3.0 s 3 %, commit 1.0 s 1 %, idle 1 min 20 s 80 %, other 11.0 s 11 %, all 1 min 40 s 100 %, fetch 40.0 s 40 %, decode 7.0 s 7 %"
	if got := strings.Join(parts, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSpeedIsThatOfTheLastSecondsAndOnAverage(t *testing.T) {
	t.Parallel()
	var s speed
	start := time.Unix(1_800_000_000, 0)
	check := func(after time.Duration, done, all int64, recent, average float64) {
		t.Helper()
		now := start.Add(after)
		s.note(done, all, now)
		if r, a := s.recent(done, now), s.average(now); r != recent || a != average {
			t.Errorf("after %s: %v and %v a second, want %v and %v", after, r, a, recent, average)
		}
	}
	check(0, 1000, 11_000, 0, 0)
	check(5*time.Millisecond, 1005, 11_000, 0, 0) // too early to tell
	check(500*time.Millisecond, 1500, 11_000, 0, 1000)
	check(2*time.Second, 3000, 11_000, 1000, 1000)
	check(10*time.Second, 11_000, 11_000, 1000, 1000)
	check(20*time.Second, 11_000, 11_000, 0, 1000) // idle time does not count
	check(time.Hour, 11_000, 11_010, 0, 1000)
	check(time.Hour+time.Second, 11_010, 11_010, 1, 10_010/11.)           // ten in the last ten seconds
	check(time.Hour+1500*time.Millisecond, 11_020, 11_020, 2, 10_010/11.) // known only when they were applied
	check(time.Hour+2*time.Second, 5, 5, 0, 0)                            // the checkpoint was moved back
	check(time.Hour+2*time.Second+time.Millisecond, 15, 15, 0, 0)
	if r := s.recent(15, start.Add(time.Hour+20*time.Second)); r != 0 {
		t.Errorf("%v events a second, long after the last one", r)
	}
	check(time.Hour+22*time.Second, 35, 135, 2, 0)
	if a := s.average(start.Add(time.Hour + 32*time.Second)); a != 0 {
		t.Errorf("%v events a second, of which none were applied", a)
	}
	check(time.Hour+42*time.Second, 135, 135, 10, 5)
	for n := range 100_000 {
		s.note(int64(n)+200, int64(n)+200, start.Add(2*time.Hour+time.Duration(n)*time.Millisecond))
	}
	if len(s.samples) > 2*int(paceWindow/speedSample)+2 {
		t.Errorf("%d samples are kept", len(s.samples))
	}
}

func TestStateAsTextIsShortAndHoldsNothingThatATerminalObeys(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 15, 4, 5, 0, time.UTC)
	state := &html.Seeder{
		Consumer: "default", Target: "sqlite:shop.db", SinkWords: "tables, by the SQL in shop.sql (the projection)", Version: "1.0", Started: at, Now: at.Add(time.Hour), Running: "1 h 00 min",
		Sentence: "Waiting: http://a.example is unavailable, since 2026-11-30 15:04:05 UTC (for 1 h 00 min). 60 events are parked.",
		Troubles: []html.SeederTrouble{{Kind: "server", What: "http://a.example is unavailable", Lasts: "for 1 h 00 min", Error: "refused\x1b[31m\nall is well", Advice: "Check it with:", Command: "seeder inspect http://a.example/feeds/orders"}},
		Feeds: []html.SeederFeed{
			{Name: "orders", Position: 25, Head: 100, Epoch: "e1", Done: "25 %", Rate: "12/s", AverageRate: "10/s", LeftTime: "7 s", LagWords: "75 events, 3 s"},
			{Name: "held\u202e", Done: "–", Rate: "0/s", AverageRate: "0/s", LeftTime: "–", LagWords: "0", Empty: "the feed is held; it publishes its events after: feedserver open held"},
		},
		Process: html.SeederProcess{ID: 4711, Host: "shop-3", Directory: "/srv/\x1b[31mshipping"},
		Parked: html.SeederParked{
			Events: 60, FailedEvents: 52, Entities: 50, More: true, Read: &at, Inspect: "seeder parked --into sqlite:shop.db", Retry: "seeder retry --into sqlite:shop.db --projection shop.sql",
			Errors: []html.SeederError{
				{Error: "CHECK constraint\nfailed", Events: 51, Example: html.SeederExample{Feed: "orders", Position: 7, Type: "T\tx\x1b]0;", Subject: "o-1", Data: `{"total":42.9}` + "\x1b[31m", Detail: "Failing row contains\n(o-1)."}},
				{Error: "no such\x1b[31m", Events: 1, Example: html.SeederExample{Feed: "orders", Position: 9, IsLong: true}},
			}, MoreErrors: 2,
			Steps: []html.SeederStep{{Do: "Fix the cause.", Note: "It may be the data."}, {Do: "Stop it.", Command: "kill 4711", Or: "Or if it hangs:", OrCommand: "kill -9 4711"}},
		},
		Unmatched: []html.SeederUnmatched{{Place: "shop.sql:4", Name: "OrderPayed", Reason: "no event had this type", Meant: "OrderPaid"}},
		Rebuild:   "seeder run --into sqlite:shop-2.db", RebuildNote: "Not shown: --header.", Took: []html.SeederTime{{On: "pages", Time: "1.0 s", Share: "10 %"}, {On: "all", Time: "10.0 s", Share: "100 %"}},
		MoreTypes: 3, SkippedTypes: 2, Events: html.SeederEvents{Skipped: 46}, Paths: []string{"/healthz", "/metrics"},
	}
	for range 50 {
		state.Parked.Failed = append(state.Parked.Failed, html.SeederParkedEvent{
			Feed: "orders", Position: 7, ID: "e7", Type: "T\tx\x1b]0;", Error: strings.Repeat("too long ", 500) + "\nall is well", Retry: "seeder retry --into sqlite:shop.db --feed orders",
		})
		state.Types = append(state.Types, html.SeederType{Type: strings.Repeat("type", 40), Applied: 12, Skipped: 1, Parked: 2})
	}
	var got strings.Builder
	if err := WriteState(&got, state); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/state.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.String() != string(want) {
		t.Errorf("%v\ngot\n%s\nwant\n%s", err, &got, want)
	}
}

func TestSentenceSaysHowManyParkedEventsFailed(t *testing.T) {
	t.Parallel()
	read := time.Now()
	for want, parked := range map[string]html.SeederParked{
		"Following, but 266 events are parked, so the target is not up to date: 169 failed, and 97 later events of the same entities wait for them.": {Events: 266, FailedEvents: 169, Entities: 160, Read: &read},
		"Following, but 3 events are parked, so the target is not up to date: 1 failed, and 2 later events of the same entity wait for it.":          {Events: 3, FailedEvents: 1, Entities: 1, Read: &read},
		"Following, but 3 events are parked, so the target is not up to date: 2 failed, and 1 later event of the same entities waits for them.":      {Events: 3, FailedEvents: 2, Entities: 1, Read: &read},
		"Following, but 2,000 events are parked, so the target is not up to date: more than 1,000 failed, and others wait for them.":                 {Events: 2000, FailedEvents: 1000, MoreFailed: true, Read: &read},
		"Following, but 1 event is parked, so the target is not up to date: it failed.":                                                              {Events: 1, FailedEvents: 1, Read: &read},
		"Following, but 2 events are parked, so the target is not up to date: each of them failed.":                                                  {Events: 2, FailedEvents: 2, Read: &read},
		"Following, but 2 events are parked, so the target is not up to date: each failed, or waits for an earlier event of the same entity that failed.": {
			Events: 2, FailedEvents: 3, Read: &read, // read before a retry
		},
	} {
		if got := Sentence(&html.Seeder{State: html.SeederFollowing, Parked: parked}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	dry := &html.Seeder{State: html.SeederFollowing, DryRun: true, Parked: html.SeederParked{Events: 2}}
	if got := Sentence(dry); got != atTheEnd+" 2 events would be parked." {
		t.Error(got)
	}
}
