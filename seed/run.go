package seed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Run reads the feed into the target: from the target's checkpoint, or the
// feed's first event, to the position of the first subscription document that
// it reads, and with Follow on from there until ctx is done, which is no error
// then. What may pass, such as a server or a database that is away, it waits
// for; after a crash or an error Run can simply be called again.
func Run(ctx context.Context, config Config) error {
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	from, err := fetch.ParseURL(config.From)
	if err != nil {
		return err
	}
	client, err := config.newClient(from)
	if err != nil {
		return err
	}
	r := &runner{
		Config:   config,
		from:     from,
		client:   client,
		follower: &walk.Follower{Client: client, URL: from, Interval: config.PollInterval, Wait: config.Wait},
	}
	defer r.Into.close()
	defer r.Into.release()
	err = r.run(ctx)
	if config.Follow && ctx.Err() != nil {
		return nil
	}
	return err
}

// runner is one run. What it believes of the target is in checkpoint; after
// every error there it believes nothing and reads it again.
type runner struct {
	Config
	from       *url.URL
	client     *walk.Client
	follower   *walk.Follower
	head       *walk.Head // the end of the feed, as far as it is known
	claimed    bool       // the consumer is ours, and checkpoint is what the target holds
	held       bool       // it was ours at least once
	checkpoint checkpoint.Checkpoint
	nextPage   int64 // no page before it holds anything new; 0 if that is not known
	applied    int64
}

func (r *runner) run(ctx context.Context) error {
	if err := r.retry(ctx, func() error { return r.Into.prepare(ctx) }); err != nil {
		return fmt.Errorf("prepare the target: %w", err)
	}
	var err error
	if r.head, err = r.client.Head(ctx, r.from, "", false); err != nil {
		return err
	}
	for following := false; ; {
		if err := r.retry(ctx, func() error { return r.advance(ctx) }); err != nil {
			return err
		}
		if !r.Follow {
			return nil
		}
		if !following {
			following = true
			r.Logger.Info("following", "feed", r.checkpoint.Feed, "consumer", r.Consumer, "position", r.checkpoint.Position)
		}
		if r.head, err = r.follower.Next(ctx, r.head); err != nil {
			return err
		}
	}
}

// retry does something with the target until it is done, has failed for good,
// or patience has run out. Progress renews patience.
func (r *runner) retry(ctx context.Context, do func() error) error {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = 50*time.Millisecond, 5*time.Second
	since, applied, level := time.Now(), r.applied, slog.LevelWarn
	for {
		err := do()
		if level == slog.LevelDebug && (err == nil || r.applied > applied) {
			r.Logger.Info("the target can be used again")
		}
		waited := time.Since(since)
		if r.applied > applied {
			since, applied, waited, level = time.Now(), r.applied, 0, slog.LevelWarn
			policy.Reset()
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, ErrHeld):
			// After a lost connection it may be our own session, not yet gone.
			if !r.held || waited > DefaultPatience {
				return err
			}
		case !r.Into.mayPass(err) || r.Patience >= 0 && waited > r.Patience:
			return err
		}
		r.claimed = false
		wait := policy.NextBackOff()
		r.Logger.Log(ctx, level, "the target is away, trying again", "error", err, "wait", wait.Round(time.Millisecond))
		level = slog.LevelDebug // one warning an outage
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// advance applies what lies between the checkpoint and the head.
func (r *runner) advance(ctx context.Context) error {
	if !r.claimed {
		if err := r.claim(ctx, r.head); err != nil {
			return err
		}
	}
	if r.head.ID != r.checkpoint.FeedID {
		return fmt.Errorf("%w: %w: %s: is feed %s now, was %s", ErrMismatch, ErrOtherFeed, r.from.Redacted(), r.head.ID, r.checkpoint.FeedID)
	}
	for {
		if err := r.makeCurrent(ctx); err != nil {
			return err
		}
		r.report(r.head)
		err := r.applyAll(ctx, r.head)
		if err == nil {
			r.nextPage = r.head.Archives + 1
			return nil
		}
		if err := r.anew(ctx, err); err != nil {
			return err
		}
	}
}

// anew fetches the feed's present head, if a page was missing because an epoch
// has begun since the one in hand was fetched: that moves pages, and nothing is
// lost by it. Else it returns the error.
func (r *runner) anew(ctx context.Context, missing error) error {
	if !errors.Is(missing, walk.ErrMissing) {
		return missing
	}
	fresh, err := r.client.Head(ctx, r.from, "", true)
	if err != nil {
		return err
	}
	if slices.Equal(fresh.Epochs, r.head.Epochs) {
		return missing
	}
	r.head, r.nextPage = fresh, 0
	return nil
}

// staleFor is how long a server may be behind another one that serves the same
// log, where requests go now to the one and now to the other.
const staleFor = 3 * time.Second

// makeCurrent makes sure of a head whose history goes on from the checkpoint.
// One that knows less than the checkpoint may come from a cache or a server that
// is behind, and a partial one may not begin at the checkpoint, which can have
// gone back meanwhile: so the server is asked once more, for the whole.
func (r *runner) makeCurrent(ctx context.Context) error {
	err := r.head.Check(r.place())
	if _, lost := errors.AsType[*LostError](err); !lost && (err == nil || !r.head.Partial) {
		return err
	}
	for since := time.Now(); ; {
		fresh, err := r.client.Head(ctx, r.from, "", true)
		if err != nil {
			return err
		}
		r.head = fresh
		if err = fresh.Check(r.place()); !mayBeBehind(err) || time.Since(since) > staleFor {
			return err
		}
		select {
		case <-time.After(staleFor / 20):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// mayBeBehind reports whether a head that lacks what was read may just be too
// old to know it. One that tells of the epoch that began when it was lost is not.
func mayBeBehind(err error) bool {
	lost, is := errors.AsType[*LostError](err)
	return is && lost.Next == ""
}

// claim takes the consumer and reads its checkpoint, or writes its first one.
func (r *runner) claim(ctx context.Context, head *walk.Head) error {
	if err := r.Into.claim(ctx, r.Consumer); err != nil {
		return err
	}
	checkpoints, err := r.Into.load(ctx, r.Consumer)
	if err != nil {
		return err
	}
	if len(checkpoints) == 0 {
		start := head.Start()
		r.checkpoint = checkpoint.Checkpoint{Consumer: r.Consumer, Feed: head.Name, FeedID: head.ID, Epoch: start.Epoch, Digest: start.Digest}
		err = r.Into.start(ctx, r.checkpoint)
	} else {
		r.checkpoint, err = ofFeed(checkpoints, head)
	}
	if err != nil {
		return err
	}
	r.claimed, r.held, r.nextPage = true, true, 0
	return nil
}

func (r *runner) place() walk.Place { return placeOf(r.checkpoint) }

func (r *runner) report(head *walk.Head) {
	r.Progress(Progress{
		Feed: r.checkpoint.Feed, FeedID: r.checkpoint.FeedID, Epoch: r.checkpoint.Epoch, Position: r.checkpoint.Position,
		Head: max(head.Last, r.checkpoint.Position), Digest: r.checkpoint.Digest.String(), Applied: r.applied,
	})
}
