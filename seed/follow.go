package seed

import (
	"context"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// update reports that a feed has new events, that its events may have to be applied again, or
// that a poll has failed.
type update struct {
	feed *reading
	err  error
}

// follow applies new events, until ctx is done or Until is reached. Each feed has a
// goroutine that polls it. That goroutine waits while the feed's events are applied.
func (r *runner) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.following = true
	r.report()
	polls, updates := newPolls(ctx), make(chan update)
	for _, f := range r.feeds {
		r.Logger.Info("following", "feed", f.checkpoint.Feed, "consumer", r.Consumer, "position", f.checkpoint.Position)
		go poll(ctx, f, updates, polls.of(f))
		polls.start(f)
	}
	replaced := r.into.Replaced()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.into.Lost():
			if err := r.retry(ctx, func() error { return r.reclaim(ctx) }); err != nil {
				return err
			}
		case <-replaced:
			r.claimed, replaced = false, nil
			polls.interrupt()
		case u := <-updates:
			if u.err != nil {
				return u.err
			}
			done, err := r.applyUpdate(ctx, u.feed)
			if err != nil || done {
				return err
			}
			if checkpoint.IsClosed(replaced) { // the claim may have noticed it first
				polls.interrupt()
			}
			replaced = r.into.Replaced()
			polls.start(u.feed)
		}
	}
}

// applyUpdate applies what a feed shows, and reports whether the run has reached Until.
func (r *runner) applyUpdate(ctx context.Context, f *reading) (done bool, err error) {
	f.note()
	feeds := []*reading{f}
	err = r.retry(ctx, func() error { return r.applyNew(ctx, feeds) })
	lasts := f.outdated.observe(&r.Config, err)
	if err != nil && (!isOld(err) || r.Patience >= 0 && lasts > r.Patience) {
		return false, err
	}
	if err != nil {
		r.report()
	}
	r.warnSkipped()
	return r.atUntil(), nil
}

// reclaim claims the consumer again after its lock was lost, so that no other seeder
// claims it while there is nothing to apply. The checkpoints are reloaded with the next
// event.
func (r *runner) reclaim(ctx context.Context) error {
	r.claimed = false
	return r.into.Claim(ctx, r.Consumer)
}

// polls starts the polls of the feeds. After the target was replaced, perhaps by an older state, it
// interrupts them, so that each feed's events are applied that the target lacks now.
type polls struct {
	ctx    context.Context
	cancel context.CancelFunc
	under  context.Context // of ctx
	next   map[*reading]chan context.Context
}

// newPolls returns polls that end with ctx.
func newPolls(ctx context.Context) *polls {
	p := &polls{under: ctx, next: make(map[*reading]chan context.Context)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// of returns the channel from which a feed's goroutine gets the context of each poll.
func (p *polls) of(f *reading) <-chan context.Context {
	p.next[f] = make(chan context.Context, 1)
	return p.next[f]
}

// start starts the next poll of a feed.
func (p *polls) start(f *reading) { p.next[f] <- p.ctx }

// interrupt interrupts the polls that were started.
func (p *polls) interrupt() {
	p.cancel()
	p.ctx, p.cancel = context.WithCancel(p.under)
}

// poll sends an update each time that a feed has new events, or that the poll is interrupted. It
// waits for the context of the next poll before it polls again.
func poll(ctx context.Context, f *reading, updates chan<- update, next <-chan context.Context) {
	for {
		var polling context.Context
		select {
		case polling = <-next:
		case <-ctx.Done():
			return
		}
		err := f.Next(polling)
		if polling.Err() != nil { // interrupted: what the feed has shown stays as it is
			err = nil
		}
		select {
		case updates <- update{f, err}:
		case <-ctx.Done():
			return
		}
	}
}

func (r *runner) applyNew(ctx context.Context, feeds []*reading) error {
	if err := r.claim(ctx, feeds); err != nil {
		return err
	}
	r.report()
	return r.advance(ctx, feeds, r.end)
}
