package fetch

import (
	"sync"
	"time"
)

// outage records whether a server is unavailable. The results of concurrent requests may arrive in
// any order: only a request that began after the failure can show that the server is back, and vice
// versa.
type outage struct {
	mu      sync.Mutex
	since   time.Time // when the outage was noticed; zero while the server answers
	endedAt time.Time // when the last outage ended
}

// failed records a failed request that began at a time. It reports whether an outage has begun.
func (o *outage) failed(began time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() || began.Before(o.endedAt) {
		return false
	}
	o.since = time.Now()
	return true
}

// answered records an answered request that began at a time. It reports whether an outage has ended.
func (o *outage) answered(began time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() || began.Before(o.since) {
		return false
	}
	o.since, o.endedAt = time.Time{}, time.Now()
	return true
}
