package readers

import (
	"math"
	"slices"
	"sort"
	"sync"
	"time"
)

// Progress remembers when the positions of feeds were published, as far as this process has seen
// it: exactly for the last minutes, and less so for the time before. It is safe for concurrent use.
type Progress struct {
	mu    sync.Mutex
	feeds map[string]*course
}

// course is the progress of one feed.
type course struct {
	epoch   string
	samples []noted // the positions that differ, oldest first
}

type sample struct {
	at       time.Time
	position int64
}

// noted is a sample of a course.
type noted struct {
	sample
	thinned bool // there were samples between this one and the one before it
}

const (
	// maxSamples is the maximum number of samples of one feed.
	maxSamples = 64
	// minSamples is what each feed may have, however many feeds there are.
	minSamples = 4
	// allSamples is the maximum number of samples of all feeds together, if that is more: about 10 MiB.
	allSamples = 1 << 18
	// rateOver is the time over which Rate is an average.
	rateOver = time.Minute
)

// Note notes the last position of a feed at a time, which must not be before the last one, and the
// feed's current epoch with its first position: of another epoch before, what was noted from that
// position on is forgotten.
func (p *Progress) Note(feed, epoch string, first, position int64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.feeds[feed]
	if c == nil {
		if p.feeds == nil {
			p.feeds = make(map[string]*course)
		}
		c = &course{epoch: epoch}
		p.feeds[feed] = c
	}
	last := position // of what the feed has still
	if c.epoch != epoch {
		c.epoch, last = epoch, min(first-1, position)
	}
	c.samples = slices.DeleteFunc(c.samples, func(s noted) bool { return s.position > last })
	if len(c.samples) == 0 {
		c.samples = append(c.samples, noted{sample: sample{now, position}})
	}
	share := min(max(allSamples/len(p.feeds), minSamples), maxSamples)
	c.shrink(share, now)
	if position == c.last().position {
		return
	}
	c.shrink(share-1, now)
	c.samples = append(c.samples, noted{sample: sample{now, position}})
}

// shrink drops samples until there are at most so many, and returns their memory.
func (c *course) shrink(to int, now time.Time) {
	for len(c.samples) > to {
		c.thin(now)
	}
	if cap(c.samples) > 2*(to+1) {
		c.samples = slices.Clone(c.samples)
	}
}

func (c *course) last() sample { return c.samples[len(c.samples)-1].sample }

// thin drops the sample that tells least: the one whose neighbours are closest together, compared
// with their age. So the samples become sparser the older they are, and reach back to the first.
func (c *course) thin(now time.Time) {
	least, drop := math.Inf(1), 1
	for i := 1; i < len(c.samples)-1; i++ {
		before, after := c.samples[i-1].at, c.samples[i+1].at
		told := float64(after.Sub(before)) / float64(now.Sub(after)+rateOver)
		if told < least {
			least, drop = told, i
		}
	}
	c.samples = slices.Delete(c.samples, drop, drop+1)
	if drop < len(c.samples) {
		c.samples[drop].thinned = true
	}
}

// Behind returns how long, at least, a reader that has the events up to a position has lacked the
// next one: 0 if there is none. isLonger reports that the process began later than that.
func (p *Progress) Behind(feed string, position int64, now time.Time) (since time.Duration, isLonger bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.feeds[feed]
	if c == nil || position >= c.last().position {
		return 0, false
	}
	next := sort.Search(len(c.samples), func(i int) bool { return c.samples[i].position > position })
	return now.Sub(c.samples[next].at), next == 0
}

// Rate returns the events per second of the last minute, or of the time since the feed was noted
// first; 0 if that is no time. Where samples were dropped, it takes the feed to have grown evenly.
func (p *Progress) Rate(feed string, now time.Time) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.feeds[feed]
	if c == nil {
		return 0
	}
	begin := now.Add(-rateOver)
	after := sort.Search(len(c.samples), func(i int) bool { return c.samples[i].at.After(begin) })
	from := c.samples[max(after-1, 0)]
	over := min(now.Sub(from.at), rateOver)
	if over <= 0 {
		return 0
	}
	position := float64(from.position)
	if after > 0 && after < len(c.samples) && c.samples[after].thinned {
		next := c.samples[after]
		position += float64(next.position-from.position) * float64(begin.Sub(from.at)) / float64(next.at.Sub(from.at))
	}
	return (float64(c.last().position) - position) / over.Seconds()
}

// Keep forgets all feeds but these.
func (p *Progress) Keep(feeds map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range p.feeds {
		if !feeds[name] {
			delete(p.feeds, name)
		}
	}
}
