package readers

import (
	"fmt"
	"testing"
	"time"
)

// A server may have 100,000 feeds: what is remembered of them together is bounded.
func TestCoursesOfAllFeedsTogetherAreBounded(t *testing.T) {
	t.Parallel()
	const feeds, rounds = 10_000, 40
	var p Progress
	now := time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)
	for second := range maxSamples * 2 { // while there are few
		p.Note("first", "e", 1, int64(second), now.Add(time.Duration(second-1000)*time.Second))
	}
	if n := len(p.feeds["first"].samples); n != maxSamples {
		t.Errorf("one feed has %d samples", n)
	}
	names := []string{"first"}
	for n := range feeds {
		names = append(names, fmt.Sprint(n))
	}
	for round := range rounds {
		now = now.Add(5 * time.Second)
		for _, name := range names {
			p.Note(name, "e", 1, int64(500+10*round), now)
		}
	}
	samples, memory := 0, 0
	for _, c := range p.feeds {
		samples += len(c.samples)
		memory += cap(c.samples)
	}
	if samples > allSamples || memory > 2*allSamples {
		t.Errorf("%d samples, room for %d", samples, memory)
	}
	// What is left is worth something.
	for _, name := range []string{"first", "17"} {
		if rate := p.Rate(name, now); rate < 1.5 || rate > 2.5 {
			t.Errorf("%s: %v events a second", name, rate)
		}
		if lag, isLonger := p.Behind(name, 880, now); lag != 0*time.Second && lag != 5*time.Second || isLonger {
			t.Errorf("%s: behind for %v, longer: %v", name, lag, isLonger)
		}
	}
	if lag, isLonger := p.Behind("first", 1, now); lag < time.Minute || isLonger {
		t.Errorf("behind for %v, longer: %v", lag, isLonger)
	}
}

func TestFeedHasSomeSamplesHoweverManyFeedsThereAre(t *testing.T) {
	t.Parallel()
	p := Progress{feeds: make(map[string]*course)}
	for n := range allSamples { // known, and without events
		p.feeds[fmt.Sprint(n)] = &course{}
	}
	start := time.Date(2026, 5, 3, 12, 0, 0, 0, time.UTC)
	for second := 0; second <= 3600; second += 5 {
		p.Note("f", "e", 1, int64(7*second), start.Add(time.Duration(second)*time.Second))
	}
	end := start.Add(time.Hour)
	if n := len(p.feeds["f"].samples); n != minSamples {
		t.Errorf("%d samples", n)
	}
	if rate := p.Rate("f", end); rate < 6.9 || rate > 7.1 {
		t.Errorf("%v events a second", rate)
	}
	if lag, isLonger := p.Behind("f", 7*3600-1, end); lag != 0 || isLonger {
		t.Errorf("the last event: behind for %v, longer: %v", lag, isLonger)
	}
	if lag, isLonger := p.Behind("f", -1, end); lag != time.Hour || !isLonger {
		t.Errorf("the first: behind for %v, longer: %v", lag, isLonger)
	}
}
