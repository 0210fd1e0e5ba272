package readers

import (
	"slices"
	"time"
)

const (
	// SilentAtLeast is the shortest time after which a reader that follows a feed counts as silent.
	SilentAtLeast = time.Minute
	// SilentAtMost is the longest one, however long its usual interval is.
	SilentAtMost = 48 * time.Hour
	// silentIntervals is how many of its usual intervals that is in between.
	silentIntervals = 3
	// followsAfter is how long a reader must have asked again and again to count as one that follows.
	followsAfter = time.Minute
	// paceOver is the number of pauses of which the usual one is found.
	paceOver = 8
	// ascentOver is the least time over which the rate of a reader is an average.
	ascentOver = 30 * time.Second
	// ascentLeast is the time before which nothing is said of the rate.
	ascentLeast = 5 * time.Second
)

// SilentAfter returns how long the reader must have sent nothing to count as silent: a minute or three of
// its usual intervals if it follows the feed, and never less than five minutes if it does not.
func (r *Reader) SilentAfter() time.Duration {
	least := Away
	if r.Follows {
		least = SilentAtLeast
	}
	return min(max(silentIntervals*r.Interval, least), SilentAtMost)
}

// pace is how long a reader sent nothing before it asked again, the last times.
type pace struct {
	pauses [paceOver]time.Duration
	n      int
}

func (p *pace) add(pause time.Duration) {
	p.pauses[p.n%paceOver] = pause
	p.n++
}

// usual returns the longest pause but one of the last, or the longest while they are few. A program that
// runs now and then asks more than once each time, so the mean says nothing; and a single outage is not
// usual.
func (p *pace) usual() time.Duration {
	if p.n < paceOver {
		return slices.Max(p.pauses[:])
	}
	sorted := p.pauses
	slices.Sort(sorted[:])
	return sorted[paceOver-2]
}

// ascent is where a reader was, for its rate: the last two marks, which are at least ascentOver apart.
type ascent struct{ before, last sample }

func (a *ascent) note(position int64, now time.Time) {
	switch {
	case a.last.at.IsZero():
		a.before, a.last = sample{now, position}, sample{now, position}
	case now.Sub(a.last.at) >= ascentOver:
		a.before, a.last = a.last, sample{now, position}
	}
}

func (a *ascent) rate(position int64, now time.Time) float64 {
	over := now.Sub(a.before.at)
	if a.before.at.IsZero() || over < ascentLeast {
		return 0
	}
	return float64(position-a.before.position) / over.Seconds()
}
