// Package publish drives the sequencer and the sealer: it looks for pending
// events and full pages and lets the log do one step after the other.
package publish

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// Log is what the loops move on.
type Log interface {
	// Work returns the names of feeds that need the sequencer, and of those
	// that need the sealer, without a lock.
	Work(ctx context.Context) (pending, unsealed []string, err error)
	Sequence(ctx context.Context, name string, limit int) (int, error)
	Seal(ctx context.Context, name string) (int, error)
	Lead(ctx context.Context) (bool, error)
}

// DefaultBatch is how many events get their positions in one transaction at most.
const DefaultBatch = 2000

// Config says what to drive and how.
type Config struct {
	Log    Log
	Batch  int          // most events in one transaction; 0 means DefaultBatch
	Logger *slog.Logger // nil means discard
	// Waited reports whether someone waits for events at this moment; then the
	// sequencer looks closely, whoever leads. nil means never.
	Waited func() bool
	// Changed is called with the name of each feed that has moved on; nil
	// means not.
	Changed func(name string)
	Metrics *Metrics // nil means keep none
}

// How long the sequencer sleeps between two looks.
const (
	pollBusy        = 5 * time.Millisecond   // while there is work
	pollWaited      = 10 * time.Millisecond  // while someone waits for some
	pollWaitedQuiet = 25 * time.Millisecond  // and nothing has come for quietAfter
	pollIdle        = 50 * time.Millisecond  // it backs off to this
	pollQuiet       = 125 * time.Millisecond // and to this, where nothing has come for quietAfter
	pollStandby     = time.Second            // while another process leads
	pollError       = time.Second            // after an error, the database being away for one
)

const quietAfter = 10 * time.Second

// Run gives pending events their positions and seals full pages until ctx is
// done. Errors are logged and tried again: a database that went away comes
// back.
func Run(ctx context.Context, config Config) error {
	if config.Batch == 0 {
		config.Batch = DefaultBatch
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Waited == nil {
		config.Waited = func() bool { return false }
	}
	if config.Changed == nil {
		config.Changed = func(string) {}
	}
	if config.Metrics == nil {
		config.Metrics = NewMetrics(nil)
	}
	p := &publisher{Config: config, seal: make(chan struct{}, 1)}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.sequenceLoop(ctx) })
	group.Go(func() error { return p.sealLoop(ctx) })
	return group.Wait()
}

type publisher struct {
	Config
	seal chan struct{} // a hint that pages have closed
}

func (p *publisher) sequenceLoop(ctx context.Context) error {
	l := p.newLoop(&p.Metrics.sequencer, p.Log.Sequence, p.Batch,
		"cannot assign positions to events, retrying", "events get their positions again")
	defer l.steps.wait()
	delay, busy := pollBusy, time.Now()
	for {
		pending, unsealed, err := l.look(ctx)
		if len(unsealed) > 0 {
			p.hintSealer()
		}
		placed := 0
		if err == nil {
			placed, err = l.steps.round(ctx, pending)
		}
		l.ended(ctx, err)
		switch {
		case ctx.Err() != nil: // sleep ends the loop
		case err != nil:
			delay = pollError
		case placed > 0:
			delay, busy = 0, time.Now()
		default:
			delay = min(max(2*delay, pollBusy), p.idle(ctx, time.Since(busy)))
		}
		if !sleep(ctx, delay) {
			return nil
		}
	}
}

// idle is how far a loop that has been idle for this long backs off.
func (p *publisher) idle(ctx context.Context, idle time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	lead, err := p.Log.Lead(ctx)
	switch {
	case err == nil && p.Waited():
		if idle > quietAfter {
			return pollWaitedQuiet
		}
		return pollWaited
	case err != nil || !lead:
		return pollStandby
	case idle > quietAfter:
		return pollQuiet
	default:
		return pollIdle
	}
}

func (p *publisher) hintSealer() {
	select {
	case p.seal <- struct{}{}:
	default:
	}
}

func (p *publisher) sealLoop(ctx context.Context) error {
	seal := func(ctx context.Context, name string, _ int) (int, error) { return p.Log.Seal(ctx, name) }
	l := p.newLoop(&p.Metrics.sealer, seal, 1, "cannot seal pages, retrying", "pages are sealed again")
	defer l.steps.wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.seal:
		}
		for sealed := 1; sealed > 0; {
			sealed = 0
			_, unsealed, err := l.look(ctx)
			if err == nil {
				sealed, err = l.steps.round(ctx, unsealed)
			}
			l.ended(ctx, err)
			if (err != nil || l.steps.isFailing()) && !sleep(ctx, pollError) {
				return nil
			}
		}
	}
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
