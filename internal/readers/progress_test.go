package readers_test

import (
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/readers"
)

func TestLagIsTheAgeOfTheFirstEventThatAReaderLacks(t *testing.T) {
	t.Parallel()
	var p readers.Progress
	start := time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for _, s := range []struct {
		second   int
		position int64
	}{{0, 100}, {5, 100}, {10, 105}, {15, 105}, {20, 110}} {
		p.Note("f", "e", 1, s.position, at(s.second))
	}
	for _, test := range []struct {
		position int64
		want     time.Duration
		isLonger bool
	}{
		{110, 0, false}, {200, 0, false}, {109, 10 * time.Second, false}, {105, 10 * time.Second, false},
		{104, 20 * time.Second, false}, {100, 20 * time.Second, false}, {99, 30 * time.Second, true}, {0, 30 * time.Second, true},
	} {
		if got, isLonger := p.Behind("f", test.position, at(30)); got != test.want || isLonger != test.isLonger {
			t.Errorf("at %d: %v %v, want %v %v", test.position, got, isLonger, test.want, test.isLonger)
		}
	}
	if got, _ := p.Behind("unknown", 0, at(30)); got != 0 {
		t.Errorf("an unknown feed: %v", got)
	}
	// History was lost after 104, and goes on in another epoch: what is older is still known.
	p.Note("f", "e2", 105, 106, at(40))
	for _, test := range []struct {
		position int64
		want     time.Duration
		isLonger bool
	}{{105, 10 * time.Second, false}, {100, 10 * time.Second, false}, {99, 50 * time.Second, true}} {
		if got, isLonger := p.Behind("f", test.position, at(50)); got != test.want || isLonger != test.isLonger {
			t.Errorf("after a restore, at %d: %v %v", test.position, got, isLonger)
		}
	}
	p.Note("f", "e2", 105, 50, at(60)) // another log, without a new epoch
	if got, isLonger := p.Behind("f", 49, at(70)); got != 10*time.Second || !isLonger {
		t.Errorf("another log: %v %v", got, isLonger)
	}
}

func TestRateIsThatOfTheLastMinute(t *testing.T) {
	t.Parallel()
	var p readers.Progress
	start := time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)
	for second := 0; second <= 3600; second += 5 {
		p.Note("busy", "e", 1, int64(7*second), start.Add(time.Duration(second)*time.Second))
		p.Note("idle", "e", 1, 1000, start.Add(time.Duration(second)*time.Second))
		p.Note("burst", "e", 1, int64(min(second, 3570)), start.Add(time.Duration(second)*time.Second))
	}
	end := start.Add(time.Hour)
	p.Note("new", "e", 1, 5, end)
	p.Note("young", "e", 1, 0, end.Add(-10*time.Second))
	p.Note("young", "e", 1, 50, end)
	for feed, want := range map[string]float64{"busy": 7, "idle": 0, "burst": 0.5, "new": 0, "young": 5, "unknown": 0} {
		if got := p.Rate(feed, end); got < want-0.01 || got > want+0.01 {
			t.Errorf("%s: %v, want %v", feed, got, want)
		}
	}
	// After an hour the samples are few, and still reach back to the beginning.
	if lag, isLonger := p.Behind("busy", 0, end); lag < 50*time.Minute || isLonger {
		t.Errorf("behind since %v, longer: %v", lag, isLonger)
	}
	p.Keep(map[string]bool{"busy": true})
	if p.Rate("young", end) != 0 || p.Rate("busy", end) == 0 {
		t.Error("the wrong feeds were kept")
	}
}
