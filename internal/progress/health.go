package progress

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/seed"
)

// awayFor is how long a feed's server or the target may be unavailable before a run counts as unhealthy.
const awayFor = time.Minute

// Health is the state of a run, as metrics and probes show it. The run and its requests
// update it; it is safe for concurrent use.
type Health struct {
	// MaxLag is the maximum lag of a feed for the run to be ready. 0 means no limit.
	MaxLag time.Duration

	mu       sync.Mutex
	progress seed.Progress
	begun    bool
	started  time.Time
	updated  time.Time           // when progress was set
	idle     time.Duration       // until updated, how long there was nothing to apply
	commit   time.Time           // when a checkpoint last moved
	feeds    map[string]*backlog // by feed id
	speeds   map[string]*speed   // by feed id
	origins  map[string]*origin  // by scheme and host
	now      func() time.Time    // the clock
}

// backlog records since when a feed's events are known that are not applied yet.
type backlog struct {
	heads []seen // oldest first; all are after the checkpoint
}

// seen is the time when a position was first known.
type seen struct {
	head int64
	at   time.Time
}

// origin is the result of the requests to a server.
type origin struct {
	answered time.Time // time of the last successful answer
	failing  time.Time // since when requests fail; zero if the last one was successful
	err      error     // why the last one failed
	failed   int64
}

// NewHealth returns the health of a run that has not started.
func NewHealth(maxLag time.Duration) *Health {
	return &Health{
		MaxLag: maxLag, started: time.Now(),
		feeds: map[string]*backlog{}, speeds: map[string]*speed{}, origins: map[string]*origin{}, now: time.Now,
	}
}

// Update sets the progress of the run.
func (s *Health) Update(p seed.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if !s.begun || moved(s.progress, p) {
		s.commit = now
	}
	s.idle = s.idleUntil(now)
	s.progress, s.begun, s.updated = p, true, now
	for i := range p.Feeds {
		f := &p.Feeds[i]
		b := s.feeds[f.FeedID]
		if b == nil {
			b = &backlog{}
			s.feeds[f.FeedID] = b
		}
		b.note(f.Position, f.Head, now)
		if s.speeds[f.FeedID] == nil {
			s.speeds[f.FeedID] = &speed{}
		}
		s.speeds[f.FeedID].note(f.Position, f.Head, now)
	}
}

// idleUntil returns for how long there was nothing to apply, because the run had applied every
// event that its feeds showed.
func (s *Health) idleUntil(now time.Time) time.Duration {
	p := &s.progress
	behind := slices.ContainsFunc(p.Feeds, func(f seed.FeedProgress) bool { return f.Position < f.Head })
	if !p.Following || behind || p.Target.Err != nil {
		return s.idle
	}
	return s.idle + now.Sub(s.updated)
}

// moved reports whether the checkpoint of any feed has moved.
func moved(before, now seed.Progress) bool {
	return !slices.EqualFunc(before.Feeds, now.Feeds, func(x, y seed.FeedProgress) bool { return x.Position == y.Position })
}

// maxHeads is the maximum length of a backlog. If it is exceeded, a lag may be reported too long.
const maxHeads = 1000

func (b *backlog) note(position, head int64, now time.Time) {
	b.heads = slices.DeleteFunc(b.heads, func(s seen) bool { return s.head <= position })
	last := position
	if len(b.heads) > 0 {
		last = b.heads[len(b.heads)-1].head
	}
	switch {
	case head <= last:
	case len(b.heads) < maxHeads:
		b.heads = append(b.heads, seen{head, now})
	default:
		b.heads[len(b.heads)-1].head = head
	}
}

// lag returns how long the oldest event that is not applied has been known.
func (b *backlog) lag(now time.Time) time.Duration {
	if len(b.heads) == 0 {
		return 0
	}
	return now.Sub(b.heads[0].at)
}

// Transport returns a transport that records the results of requests.
func (s *Health) Transport(next http.RoundTripper) http.RoundTripper {
	return transport{s, next}
}

type transport struct {
	*Health
	next http.RoundTripper
}

// RoundTrip makes a request with the next transport.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	if request.Context().Err() == nil { // a canceled request says nothing about the server
		failure := err
		if err == nil && (response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests) {
			failure = fmt.Errorf("it answered with status %s", response.Status)
		}
		t.answered(request.URL.Scheme+"://"+request.URL.Host, failure)
	}
	return response, err
}

// answered records the result of a request to a server: nil, or why it failed.
func (s *Health) answered(name string, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.origins[name]
	if o == nil {
		o = &origin{}
		s.origins[name] = o
	}
	if failure == nil {
		o.answered, o.failing, o.err = s.now(), time.Time{}, nil
		return
	}
	o.failed++
	o.err = failure
	if o.failing.IsZero() {
		o.failing = s.now()
	}
}

// Healthy returns an error if a server or the target has been unavailable for more than a minute.
func (s *Health) Healthy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.healthy()
}

func (s *Health) healthy() error {
	now := s.now()
	var all []error
	for _, name := range sortedKeys(s.origins) {
		if since := s.origins[name].failing; !since.IsZero() && now.Sub(since) > awayFor {
			all = append(all, fmt.Errorf("%s has been unavailable for %s", name, wholeSeconds(now.Sub(since))))
		}
	}
	if t := s.progress.Target; t.Err != nil && now.Sub(t.Away) > awayFor {
		all = append(all, fmt.Errorf("the target has been unavailable for %s", wholeSeconds(now.Sub(t.Away))))
	}
	return errors.Join(all...)
}

// Ready returns an error if the target is not up to date: the history is not applied yet, a feed's lag
// exceeds MaxLag, or the run is not healthy.
func (s *Health) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun || len(s.progress.Feeds) == 0 { // the target may have been unavailable so far
		return errors.New("starting: nothing was read yet")
	}
	all := []error{s.healthy()}
	now := s.now()
	for i := range s.progress.Feeds {
		f := &s.progress.Feeds[i]
		if !s.progress.Following {
			all = append(all, fmt.Errorf("feed %s: seeding, at position %d of %d", f.Feed, f.Position, f.Head))
		} else if lag := s.feeds[f.FeedID].lag(now); s.MaxLag > 0 && lag > s.MaxLag {
			all = append(all, fmt.Errorf("feed %s: %s behind, by %s", f.Feed, number(f.Head-f.Position, "event"), wholeSeconds(lag)))
		}
	}
	return errors.Join(all...)
}
