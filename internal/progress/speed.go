package progress

import "time"

// speedSample bounds the samples of a speed: in each such time at most two are kept.
const speedSample = 200 * time.Millisecond

// speed measures how many events of a feed a run applies in a second.
type speed struct {
	first   sample
	samples []sample // oldest first; all but the first one are younger than paceWindow
	last    sample   // the last one, which samples may not have
}

// note records the number of events done.
func (s *speed) note(done int64, now time.Time) {
	before := s.last
	s.last = sample{now, done}
	n := len(s.samples)
	switch {
	case n == 0, done < before.done: // the latter after the checkpoint was moved back
		s.first, s.samples = s.last, []sample{s.last}
		return
	case now.Sub(before.at) >= speedSample && before != s.samples[n-1]:
		s.samples = append(s.samples, before)
	case now.Sub(s.samples[n-1].at) < speedSample:
		return
	}
	s.samples = append(s.samples, s.last)
	s.trim(now)
}

// trim drops the samples before the last one that is as old as the window.
func (s *speed) trim(now time.Time) {
	for len(s.samples) > 1 && now.Sub(s.samples[1].at) >= paceWindow {
		s.samples = s.samples[1:]
	}
}

// recent returns the number of events a second in the last ten seconds; 0 within the first second.
func (s *speed) recent(done int64, now time.Time) float64 {
	s.trim(now)
	if len(s.samples) == 0 {
		return 0
	}
	base := s.samples[0]
	if now.Sub(s.last.at) >= paceWindow {
		base = s.last
	}
	return perSecond(done-base.done, min(now.Sub(base.at), paceWindow))
}

// average returns the number of events a second since the first sample; 0 within the first second.
func (s *speed) average(done int64, now time.Time) float64 {
	return perSecond(done-s.first.done, now.Sub(s.first.at))
}

func perSecond(events int64, took time.Duration) float64 {
	if took < time.Second || events <= 0 {
		return 0
	}
	return float64(events) / took.Seconds()
}
