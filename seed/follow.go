package seed

import "context"

// news says that a feed shows something new, or that looking for it has failed.
type news struct {
	feed *reading
	err  error
}

// follow applies what is new, until ctx is done or Until is reached. Each feed
// is looked at by a goroutine of its own, which rests while its feed is applied.
func (r *runner) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.following = true
	arrived := make(chan news)
	rested := make(map[*reading]chan struct{})
	for _, f := range r.feeds {
		r.Logger.Info("following", "feed", f.checkpoint.Feed, "consumer", r.Consumer, "position", f.checkpoint.Position)
		rested[f] = make(chan struct{}, 1)
		go watch(ctx, f, arrived, rested[f])
	}
	r.report()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.into.Lost():
			if err := r.retry(ctx, func() error { return r.reclaim(ctx) }); err != nil {
				return err
			}
		case n := <-arrived:
			if n.err != nil {
				return n.err
			}
			n.feed.note()
			these := []*reading{n.feed}
			err := r.retry(ctx, func() error { return r.applyNews(ctx, these) })
			lasts := n.feed.outdated.see(&r.Config, err)
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
			rested[n.feed] <- struct{}{}
		}
	}
}

// reclaim takes back a consumer whose lock was lost, so that no other seeder gets
// it while there is nothing to apply. What the target holds is read with the next
// event.
func (r *runner) reclaim(ctx context.Context) error {
	r.claimed = false
	return r.into.Claim(ctx, r.Consumer)
}

// watch waits for something new in a feed, again and again.
func watch(ctx context.Context, f *reading, arrived chan<- news, rested <-chan struct{}) {
	for {
		err := f.Next(ctx)
		select {
		case arrived <- news{f, err}:
		case <-ctx.Done():
			return
		}
		select {
		case <-rested:
		case <-ctx.Done():
			return
		}
	}
}

func (r *runner) applyNews(ctx context.Context, these []*reading) error {
	if err := r.claim(ctx, these); err != nil {
		return err
	}
	r.report()
	return r.advance(ctx, these, r.end)
}
