package publish

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/internal/db/explain"
	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	"github.com/eventfeed/eventfeed/internal/store"
)

// Bounds of the steps of one kind.
const (
	// Feeds that are moved on at once, each on a connection of its own: of those
	// that are well, and of those in trouble, which would keep the others waiting.
	slotsWell, slotsTroubled = 4, 2
	// roundLimit is how long a round waits for the steps that it began. Those that
	// take longer end by themselves, and the other feeds go on.
	roundLimit = 200 * time.Millisecond

	stepLimit    = 30 * time.Second // of one step, before it is tried with less
	maxStepLimit = time.Hour        // of one that cannot do any less

	maxBusyDelay  = 10 * time.Second // between two tries where another session has locked the feed
	busyTolerated = 10 * time.Second // until that is said
	minErrorDelay = time.Second
	maxErrorDelay = 30 * time.Second
)

// steps moves feeds on, each at its own pace: a feed whose step takes long, fails,
// or finds the feed locked by another session does not keep the others back.
type steps struct {
	do       func(ctx context.Context, name string, batch int) (int, error)
	maxBatch int
	failed   string // said of a feed that cannot be moved on
	moved    string // and when it can again
	logger   *slog.Logger
	metrics  *loopMetrics

	well, troubled chan struct{} // slots
	running        sync.WaitGroup

	mu    sync.Mutex
	feeds map[string]*pace
	done  int   // by steps, since the last round
	away  error // what a step got in place of an answer, since the last round
}

// pace is how a feed is moved on that is at work, or was not moved on by its last
// step.
type pace struct {
	running bool
	batch   int           // most events of the next step
	limit   time.Duration // of the next step
	since   time.Time     // when a step failed first, of those that failed since the feed was moved on
	at      int64         // where it was then, if another session had locked it
	next    time.Time     // when to try again
	outage  outage
}

// round lets each of these feeds do a step, unless it is at work already, or is in
// trouble and not due. It returns how much was done since the last round, and an
// error if the database does not answer.
func (s *steps) round(ctx context.Context, names []string) (done int, err error) {
	var begun sync.WaitGroup
	for _, name := range names {
		p, well := s.begin(name)
		switch {
		case p == nil:
		case well:
			begun.Add(1)
			s.running.Go(func() {
				defer begun.Done()
				s.step(ctx, name, p, s.well)
			})
		default: // nobody waits for it
			s.running.Go(func() { s.step(ctx, name, p, s.troubled) })
		}
	}
	ended := make(chan struct{})
	go func() { begun.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	case <-time.After(roundLimit):
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err = s.done, s.away
	s.done, s.away = 0, nil
	return done, err
}

// begin returns the pace of a feed that is to do a step now, or nil, and whether
// its last step was well.
func (s *steps) begin(name string) (p *pace, well bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p = s.feeds[name]; p == nil {
		p = &pace{batch: s.maxBatch, limit: stepLimit, outage: outage{logger: s.logger.With("feed", name), over: s.moved}}
		s.feeds[name] = p
	}
	if p.running || time.Now().Before(p.next) {
		return nil, false
	}
	p.running = true
	return p, p.since.IsZero()
}

func (s *steps) step(ctx context.Context, name string, p *pace, slots chan struct{}) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-slots }()
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	done, err := s.do(limited, name, p.batch)
	s.metrics.step(began, done)
	if ctx.Err() != nil {
		return // told to stop
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.running = false
	s.done += done
	if err == nil {
		s.succeeded(name, p)
		return
	}
	if isOutage(err) {
		s.away = err
	}
	if p.failed(s.failed, err, began) {
		s.metrics.errors.Inc()
	}
	s.metrics.fails(name, p.outage.error)
}

// succeeded is called with the lock.
func (s *steps) succeeded(name string, p *pace) {
	p.outage.is(s.failed, nil)
	p.since, p.next = time.Time{}, time.Time{}
	if p.batch == s.maxBatch {
		delete(s.feeds, name)
	}
	p.batch, p.limit = min(2*p.batch, s.maxBatch), stepLimit
	s.metrics.fails(name, "")
}

// failed says when a feed is to be tried again, and with how much. It reports
// whether the error counts: not where another session, mostly another server, has
// locked the feed for a moment.
func (p *pace) failed(text string, err error, began time.Time) bool {
	busy, isBusy := errors.AsType[*store.BusyError](err)
	if p.since.IsZero() || isBusy && busy.At > p.at {
		p.since = began
	}
	if isBusy {
		p.at = busy.At
	}
	failing := time.Since(p.since)
	if explainpostgres.IsLimit(err) { // slow, or stopped by someone: less of it may do
		if p.batch > 1 {
			p.batch = max(1, p.batch/2)
		} else {
			p.limit = min(2*p.limit, maxStepLimit)
		}
	}
	switch {
	case isBusy:
		p.next = time.Now().Add(min(failing/4, maxBusyDelay))
		if failing < busyTolerated {
			return false
		}
	case isOutage(err):
		return true // the loop says so
	default:
		p.next = time.Now().Add(min(max(failing, minErrorDelay), maxErrorDelay))
	}
	p.outage.is(text, err)
	return true
}

// isOutage reports whether an error is the database's, and no feed's own.
func isOutage(err error) bool {
	return explain.IsAway(err) || explainpostgres.IsDown(err) || explainpostgres.IsReadOnly(err)
}

// isFailing reports whether any feed is in trouble that was said.
func (s *steps) isFailing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.feeds {
		if p.outage.error != "" {
			return true
		}
	}
	return false
}

// wait returns once no step is at work, which is soon after the context is done.
func (s *steps) wait() { s.running.Wait() }
