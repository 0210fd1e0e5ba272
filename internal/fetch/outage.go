package fetch

import (
	"sync"
	"time"
)

// outage knows whether a server is away, whatever the order in which the
// answers of several requests at once are seen: only a request that began after
// the one that failed can say that the server is back, and the other way round.
type outage struct {
	mu      sync.Mutex
	since   time.Time // that an answer was missing; zero while the server answers
	endedAt time.Time // the last outage
}

// failed notes that a request that began at a time got no answer, and reports
// whether that is news.
func (o *outage) failed(began time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() || began.Before(o.endedAt) {
		return false
	}
	o.since = time.Now()
	return true
}

// answered notes that one did, and reports whether that is news.
func (o *outage) answered(began time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() || began.Before(o.since) {
		return false
	}
	o.since, o.endedAt = time.Time{}, time.Now()
	return true
}
