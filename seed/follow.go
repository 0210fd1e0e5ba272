package seed

import "context"

// update reports that a feed has new events, or that a poll has failed.
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
	updates := make(chan update)
	applied := make(map[*reading]chan struct{})
	for _, f := range r.feeds {
		r.Logger.Info("following", "feed", f.checkpoint.Feed, "consumer", r.Consumer, "position", f.checkpoint.Position)
		applied[f] = make(chan struct{}, 1)
		go poll(ctx, f, updates, applied[f])
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.into.Lost():
			if err := r.retry(ctx, func() error { return r.reclaim(ctx) }); err != nil {
				return err
			}
		case u := <-updates:
			if u.err != nil {
				return u.err
			}
			u.feed.note()
			feeds := []*reading{u.feed}
			err := r.retry(ctx, func() error { return r.applyNew(ctx, feeds) })
			lasts := u.feed.outdated.observe(&r.Config, err)
			if err != nil && (!isOld(err) || r.Patience >= 0 && lasts > r.Patience) {
				return err
			}
			if err != nil {
				r.report()
			}
			r.warnSkipped()
			if r.atUntil() {
				return nil
			}
			applied[u.feed] <- struct{}{}
		}
	}
}

// reclaim claims the consumer again after its lock was lost, so that no other seeder
// claims it while there is nothing to apply. The checkpoints are reloaded with the next
// event.
func (r *runner) reclaim(ctx context.Context) error {
	r.claimed = false
	return r.into.Claim(ctx, r.Consumer)
}

// poll sends an update each time that a feed has new events. It waits for applied
// before it polls again.
func poll(ctx context.Context, f *reading, updates chan<- update, applied <-chan struct{}) {
	for {
		err := f.Next(ctx)
		select {
		case updates <- update{f, err}:
		case <-ctx.Done():
			return
		}
		select {
		case <-applied:
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
