package progress

import "time"

// speedSample bounds the samples of a speed: in each such time at most two are kept.
const speedSample = 200 * time.Millisecond

// speed measures how many events of a feed a run applies in a second.
type speed struct {
	samples []sample // oldest first; all but the first one are younger than paceWindow
	last    sample   // the last one, which samples may not have

	behind  bool          // since last there has been something to apply
	busy    time.Duration // until last, for how long there was
	applied int64         // in that time
}

// note records the number of events done, of all that are known.
func (s *speed) note(done, all int64, now time.Time) {
	before, wasBehind := s.last, s.behind
	s.last, s.behind = sample{now, done}, done < all
	n := len(s.samples)
	switch {
	case n == 0, done < before.done: // the latter after the checkpoint was moved back
		s.samples, s.busy, s.applied = []sample{s.last}, 0, 0
		return
	case wasBehind:
		s.busy, s.applied = s.busy+now.Sub(before.at), s.applied+done-before.done
	}
	switch {
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
	return perSecond(done-base.done, min(now.Sub(base.at), paceWindow), time.Second)
}

// average returns the number of events a second in the time in which there was something to apply;
// 0 if that was too short to tell.
func (s *speed) average(now time.Time) float64 {
	busy := s.busy
	if s.behind {
		busy += now.Sub(s.last.at)
	}
	return perSecond(s.applied, busy, 10*time.Millisecond)
}

// perSecond returns 0 for a time that is too short to tell.
func perSecond(events int64, took, least time.Duration) float64 {
	if took < least || events <= 0 {
		return 0
	}
	return float64(events) / took.Seconds()
}
