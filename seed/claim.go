package seed

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// claim claims the consumer, if this run does not hold it, and loads its
// checkpoints or writes the first ones. It checks that the histories of the given
// feeds continue from there.
func (r *runner) claim(ctx context.Context, feeds []*reading) error {
	if !r.claimed {
		if err := r.claimAndLoad(ctx); err != nil {
			return err
		}
		r.claimed, r.held = true, true
	}
	for _, f := range feeds {
		if id, _ := f.Feed(); id != f.checkpoint.FeedID {
			return fmt.Errorf("%w: %w: %s: is feed %s now, was %s", ErrMismatch, ErrOtherFeed, f.url.Redacted(), id, f.checkpoint.FeedID)
		}
		if err := r.check(ctx, f); err != nil {
			return err
		}
		f.note()
	}
	return nil
}

// claimAndLoad claims the consumer, loads its checkpoints, and writes those that are
// missing.
func (r *runner) claimAndLoad(ctx context.Context) error {
	if err := r.into.Claim(ctx, r.Consumer); err != nil {
		return err
	}
	was, found, err := r.into.Load(ctx)
	if err != nil {
		return err
	}
	if err := r.loadParked(ctx); err != nil {
		return err
	}
	now := r.consumer()
	known := was.Name != ""
	if known {
		if now, err = r.checkConsumer(ctx, was, found); err != nil {
			return err
		}
	}
	r.forgetWithheld()
	before := r.positions()
	for _, f := range r.feeds {
		if err := f.Recognize(ctx, found); err != nil {
			return err
		}
	}
	missing, err := r.matchCheckpoints(found)
	if err != nil {
		return err
	}
	if err := r.begin(ctx, now, missing, !known); err != nil {
		return err
	}
	r.expectHeads(before)
	r.expectMatch()
	return nil
}

// begin writes the first checkpoints of the missing feeds, and prepares the sink.
func (r *runner) begin(ctx context.Context, now checkpoint.Consumer, missing []*reading, fresh bool) error {
	if len(missing) == 0 {
		return r.into.Begin(ctx, now, nil, false)
	}
	var first []checkpoint.Checkpoint
	for _, f := range missing {
		if err := f.Check(ctx, f.Start(), keptNothing); err != nil { // sets Last
			return err
		}
		start, err := r.start(ctx, f)
		if err != nil {
			return err
		}
		f.checkpoint = r.firstCheckpoint(f, start)
		first = append(first, f.checkpoint)
	}
	return r.into.Begin(ctx, now, first, fresh)
}

// firstCheckpoint returns the checkpoint of a feed of which nothing is applied, at its start.
func (r *runner) firstCheckpoint(f *reading, start walk.Place) checkpoint.Checkpoint {
	_, name := f.Feed()
	return checkpoint.Checkpoint{ // clones, so that name and epoch do not keep the document in memory
		Consumer: r.Consumer, Feed: strings.Clone(name), FeedID: f.id, URL: fetch.Shown(f.url),
		Epoch: strings.Clone(start.Epoch), Position: start.Position, Digest: start.Digest, SeedEnd: f.Last(),
		Generation: r.firstGeneration(), GenerationStart: start.Position,
	}
}

// matchCheckpoints assigns the loaded checkpoints to the feeds, and returns the feeds
// without one. A consumer must have the same feeds in each run, except for Config.AddFeed.
func (r *runner) matchCheckpoints(found []checkpoint.Checkpoint) (missing []*reading, err error) {
	for _, f := range r.feeds {
		i := slices.IndexFunc(found, func(c checkpoint.Checkpoint) bool { return c.FeedID == f.id })
		if i < 0 {
			missing = append(missing, f)
			continue
		}
		f.checkpoint = found[i]
		f.checkpoint.URL = fetch.Shown(f.url)
		found = slices.Delete(slices.Clone(found), i, i+1)
	}
	begun := len(missing) < len(r.feeds) || len(found) > 0
	switch {
	case len(found) > 0:
		return nil, fmt.Errorf("%w: %w", ErrMismatch, r.otherFeeds(missing, found))
	case begun && len(missing) > 0 && !r.AddFeed:
		id, name := missing[0].Feed()
		return nil, fmt.Errorf("%w: %w: %s: is feed %s (%s), which consumer %s has not read so far",
			ErrMismatch, ErrNewFeed, missing[0].url.Redacted(), name, id, r.Consumer)
	}
	return missing, nil
}

func (r *runner) otherFeeds(missing []*reading, found []checkpoint.Checkpoint) error {
	if len(missing) == 0 {
		return fmt.Errorf("%w: consumer %s reads feed %s (%s), but no --from names it%s", refused.ErrFewerFeeds, r.Consumer, found[0].Feed, found[0].FeedID, wasAt(found[0]))
	}
	id, name := missing[0].Feed()
	return fmt.Errorf("%w: %s: is feed %s (%s), but consumer %s reads feed %s (%s)",
		ErrOtherFeed, missing[0].url.Redacted(), name, id, r.Consumer, found[0].Feed, found[0].FeedID)
}

// wasAt returns the part of an error that names the feed's last URL, if it is known.
func wasAt(c checkpoint.Checkpoint) string {
	if c.URL == "" {
		return ""
	}
	return "; so far it was read from " + c.URL
}
