package readers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/eventfeed/eventfeed/internal/readers"
)

// clock is a time that a test sets.
type clock struct{ now time.Time }

func (c *clock) time() time.Time { return c.now }

func newList() (*readers.List, *clock) {
	l, c := &readers.List{}, &clock{time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)}
	l.SetTime(c.time)
	return l, c
}

func token(feed, name string) readers.Identity {
	return readers.Identity{Feed: feed, Kind: readers.Token, Name: name}
}

func address(name string) readers.Identity {
	return readers.Identity{Feed: "f", Kind: readers.Address, Name: name}
}

func only(t *testing.T, l *readers.List) readers.Reader {
	t.Helper()
	all := l.All()
	if len(all) != 1 {
		t.Fatalf("%d readers: %+v", len(all), all)
	}
	return all[0]
}

// A token is one reader, whatever programs use it; an address is one for each program.
func TestReadersAreToldApartByNameAndAtOneAddressByProgram(t *testing.T) {
	t.Parallel()
	l, _ := newList()
	for _, agent := range []string{"eventfeed", "curl/8.5.0", "curl/8.6.0", ""} {
		l.Visit(token("f", "shipping"), agent)
		l.Visit(token("g", "shipping"), agent)
		l.Visit(address("10.0.0.1"), agent)
	}
	var got []string
	for _, r := range l.All() {
		got = append(got, fmt.Sprintf("%s %s %s %q", r.Feed, r.Kind, r.Name, r.Agent))
	}
	want := []string{`f token shipping ""`, `g token shipping ""`, `f address 10.0.0.1 "eventfeed"`, `f address 10.0.0.1 "curl/8.6.0"`, `f address 10.0.0.1 ""`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatAClientSendsIsShortAndValid(t *testing.T) {
	t.Parallel()
	l, _ := newList()
	long := strings.Repeat("x", 1<<20) + "\xff"
	l.Visit(readers.Identity{Feed: "f", Kind: readers.Certificate, Name: "\xffname" + long}, "\xffagent"+long)
	l.Visit(address("a"), long)
	for _, r := range l.All() {
		if !utf8.ValidString(r.Name+r.Agent) || len(r.Name)+len(r.Agent) > 200 {
			t.Errorf("%d bytes of name, %d of agent: %q %q", len(r.Name), len(r.Agent), r.Name, r.Agent)
		}
	}
}

func TestReaderIsForgottenAfterAWeekUnlessItWaits(t *testing.T) {
	t.Parallel()
	l, c := newList()
	l.Visit(token("f", "gone"), "")
	l.Visit(token("f", "waits"), "").Wait("e", 1)
	c.now = c.now.Add(readers.Forgotten + time.Second)
	if r := only(t, l); r.Name != "waits" || r.Waiting != 1 {
		t.Errorf("%+v", r)
	}
}

func TestVisitsSayWhatAReaderHas(t *testing.T) {
	t.Parallel()
	l, c := newList()
	v := l.Visit(token("f", "shipping"), "")
	for _, step := range []struct {
		name string
		do   func()
		want readers.Reader
	}{
		{"a first request", v.Ask, readers.Reader{}},
		{"a document", func() { v.At("e1", 70) }, readers.Reader{Epoch: "e1", Position: 70}},
		{"an archive", func() { v.Page("e1", 3, 30) }, readers.Reader{Epoch: "e1", Position: 70, Page: 3}},
		{"the next one", func() { v.Page("e1", 4, 40) }, readers.Reader{Epoch: "e1", Position: 40, Page: 4}},
		{"five minutes later", func() { c.now = c.now.Add(301 * time.Second) }, readers.Reader{Epoch: "e1", Position: 40}},
		{"another request", func() { l.Visit(token("f", "shipping"), "").Ask() }, readers.Reader{Epoch: "e1", Position: 40, Interval: 301 * time.Second}},
		{"an unknown document", v.OfOtherHistory, readers.Reader{OtherHistory: true, Interval: 301 * time.Second}},
		{"an archive all the same", func() { v.Page("e2", 1, 10) }, readers.Reader{Epoch: "e2", Position: 10, Page: 1, OtherHistory: true, Interval: 301 * time.Second}},
		{"a document all the same", func() { v.Answer("e2", 0, 75) }, readers.Reader{Epoch: "e2", Position: 75, OtherHistory: true, Interval: 301 * time.Second}},
		{"a known one", func() { v.At("e2", 80) }, readers.Reader{Epoch: "e2", Position: 80, Interval: 301 * time.Second}},
		{"a long poll", func() { v.Wait("e2", 81) }, readers.Reader{Epoch: "e2", Position: 81, Waiting: 1, Interval: 301 * time.Second}},
		{"its end", v.Resume, readers.Reader{Epoch: "e2", Position: 81, Interval: 301 * time.Second}},
	} {
		step.do()
		got := only(t, l)
		got.Identity, got.Number, got.First, got.Seen = readers.Identity{}, 0, time.Time{}, time.Time{}
		got.Moved, got.Requests, got.RepeatsSince, got.Rate, got.Follows = time.Time{}, 0, time.Time{}, 0, false
		if got != step.want {
			t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
		}
	}
}

func TestNilListKeepsNothing(t *testing.T) {
	t.Parallel()
	var l *readers.List
	v := l.Visit(token("f", "a"), "")
	v.Wait("e", 1)
	v.At("e", 1)
	v.Resume()
	if l.All() != nil {
		t.Error("there is something")
	}
}

// For the race detector.
func TestVisitsMayOverlap(t *testing.T) {
	t.Parallel()
	l := &readers.List{}
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				v := l.Visit(address(fmt.Sprint(n*i%50)), "a")
				v.Wait("e", 1)
				v.At("e", int64(i))
				v.Resume()
				l.All()
			}
		})
	}
	all.Wait()
	for _, r := range l.All() {
		if r.Waiting != 0 {
			t.Errorf("%+v", r)
		}
	}
}

// A program that runs now and then asks several times each time: the usual pause is that between its runs. A
// single outage of one that always asks changes nothing for long.
func TestUsualIntervalIsThatBetweenRuns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pauses   []int // seconds
		interval time.Duration
		follows  bool
		silent   time.Duration
	}{
		"one request":  {nil, 0, false, readers.Away},
		"just started": {[]int{1, 1, 1}, time.Second, false, readers.Away},
		"every 5 s":    {[]int{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, 5 * time.Second, true, time.Minute},
		"every 5 min":  {[]int{1, 300, 1, 300, 1, 1, 300, 1, 300, 1}, 5 * time.Minute, true, 15 * time.Minute},
		"an outage":    {[]int{5, 5, 5, 5, 3600, 5, 5, 5, 5}, 5 * time.Second, true, time.Minute},
		"every week":   {[]int{600000, 600000}, 600000 * time.Second, true, readers.SilentAtMost},
	} {
		l, c := newList()
		l.Visit(token("f", "r"), "").Ask()
		for _, pause := range test.pauses {
			c.now = c.now.Add(time.Duration(pause) * time.Second)
			l.Visit(token("f", "r"), "").Ask()
		}
		if r := only(t, l); r.Interval != test.interval || r.Follows != test.follows || r.SilentAfter() != test.silent {
			t.Errorf("%s: %+v, silent after %v", name, r, r.SilentAfter())
		}
	}
}

// Who is given the events after a position, and asks for them again, has not got forward.
func TestReaderThatNamesTheSamePositionAgainKeepsIt(t *testing.T) {
	t.Parallel()
	l, _ := newList()
	v := l.Visit(token("f", "r"), "")
	for n, want := range []int64{100, 70, 70} {
		v.Continue("e", 70, 100)
		if r := only(t, l); r.Position != want || r.Repeats != n {
			t.Errorf("the %d. time: %+v", n+1, r)
		}
	}
	v.Answer("e", 80, 110)
	if r := only(t, l); r.Position != 110 || r.Repeats != 0 {
		t.Errorf("named another one: %+v", r)
	}
}
