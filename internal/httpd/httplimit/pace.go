package httplimit

import "time"

// pace is how slowly a client may send or take: what it does not do at the
// least rate comes out of a budget of time, and once that is used up it has
// lost its turn. A pause of our own costs it nothing. It is for one goroutine
// at a time.
type pace struct {
	Config
	moved   int64         // bytes so far
	blocked time.Duration // time so far that we have waited for the client
}

// allowed is how long the next n bytes may take. However fast a client has
// been, it may not stall for longer at once than one that has just begun.
func (p *pace) allowed(n int64) time.Duration {
	return min(p.Stall+p.time(n), p.Stall+p.time(p.moved+n)-p.blocked)
}

// time is how long n bytes take at the least rate.
func (p *pace) time(n int64) time.Duration {
	return time.Duration(float64(n) / float64(p.MinRate) * float64(time.Second))
}

func (p *pace) took(n int64, began time.Time) {
	p.moved += n
	p.blocked += time.Since(began)
}
