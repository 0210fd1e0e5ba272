package seed

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/prefetch"
	"github.com/eventfeed/eventfeed/internal/refused"
	"github.com/eventfeed/eventfeed/internal/retry"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// Run applies the events of the feeds to the target, starting after the target's checkpoints.
// It returns when it has reached the ends that the feeds had when it read them first. With
// Follow it continues until ctx is done, and then returns nil. Run retries transient errors,
// such as an unavailable server or database. After a crash or an error, call Run again: it
// resumes.
//
// Run merges several feeds by the times of their events, up to the ends that the feeds had when
// the consumer first read them. It applies later events in the order in which they arrive; each
// feed's events stay in the order of that feed.
//
// The last call of Config.Progress reports what the run did.
func Run(ctx context.Context, config Config) error {
	switch {
	case config.Into.target == nil:
		return errNoTarget
	case len(config.From) == 0:
		return errNoFeed
	}
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	r, err := newRunner(config)
	if err != nil {
		return err
	}
	defer r.into.Close()
	defer r.closeFeeds()
	err = public(r.run(ctx))
	if config.Follow && ctx.Err() != nil {
		return nil
	}
	return err
}

// runner is one run. Cached checkpoints are trusted until the target returns an error; then
// they are reloaded.
type runner struct {
	*opened
	feeds     []*reading
	meters    []*walk.Meter
	claimed   bool // this run holds the consumer, and the checkpoints are those of the target
	held      bool // this run has held the consumer at least once
	following bool
	commits   int64
	totals    totals
	target    TargetProgress
	heads     []checkpoint.BlockName // block names that have matched no event
	withheld  withheld
	warned    int // number of skipped types at the last warning
}

func newRunner(config Config) (*runner, error) {
	r := &runner{opened: config.open(), totals: newTotals()}
	if err := r.missing(); err != nil {
		return nil, err
	}
	if config.OnError == Park {
		r.parkErrors()
	}
	r.into.Watch(r.sinkAway)
	for _, raw := range config.From {
		from, err := fetch.ParseURL(raw)
		if err != nil {
			return nil, err
		}
		r.feeds = append(r.feeds, r.newReading(raw, from))
	}
	return r, nil
}

func (r *runner) newReading(raw string, from *url.URL) *reading {
	share := len(r.From) // the feeds share memory and connections
	client := &walk.Client{Client: r.fetcher(from), Room: walk.DefaultRoom / int64(share)}
	meter, atOnce := &walk.Meter{}, max(1, r.Prefetch/share)
	r.meters = append(r.meters, &client.Meter, meter)
	return &reading{from: raw, url: from, source: &unknownSource{
		source: &nativeSource{
			client:   client,
			follower: &walk.Follower{Client: client, URL: from, Interval: r.interval(DefaultPollInterval), Wait: r.Wait},
			url:      from,
			prefetch: atOnce,
		},
		foreign: &foreignSource{
			config: foreign.Config{
				Client: client.Client, URL: from, Interval: r.interval(foreign.DefaultInterval), Prefetch: min(atOnce, prefetch.Usual), Room: client.Room,
				IgnoreID: r.IgnoreFeedID, KeepSameID: r.KeepSameID, Logger: r.Logger, Meter: meter,
			},
			memory: r.memory,
		},
	}}
}

// interval returns the time between two polls of a feed; unset is the default of its kind.
func (c *Config) interval(unset time.Duration) time.Duration {
	if c.PollInterval <= 0 {
		return unset
	}
	return c.PollInterval
}

func (r *runner) run(ctx context.Context) error {
	if err := r.retry(ctx, func() error { return r.into.Prepare(ctx) }); err != nil {
		return fmt.Errorf("prepare the target: %w", err)
	}
	for _, f := range r.feeds {
		if err := f.Look(ctx); err != nil {
			return err
		}
		id, _ := f.Feed()
		f.id = strings.Clone(id) // so that it does not keep the document in memory
		f.note()
	}
	if err := r.distinct(); err != nil {
		return err
	}
	_, name := r.feeds[0].Feed()
	r.into.Bind(r.feeds[0].id, strings.Clone(name))
	err := r.whileOld(ctx, func() error {
		err := r.retry(ctx, func() error { return r.seed(ctx) })
		if isOld(err) {
			r.report()
		}
		return err
	})
	if err != nil {
		return err
	}
	r.warnSkipped()
	if !r.Follow || r.atUntil() {
		return r.reached()
	}
	return r.follow(ctx)
}

func (r *runner) closeFeeds() {
	for _, f := range r.feeds {
		f.Close()
	}
}

// distinct checks that no feed was given twice.
func (r *runner) distinct() error {
	urls := make(map[string]string)
	for _, f := range r.feeds {
		_, name := f.Feed()
		if other, twice := urls[f.id]; twice {
			as := "as " + other
			if this := f.url.Redacted(); this != other {
				as += " and " + this
			}
			return fmt.Errorf("feed %s (%s) was given twice, %s", name, f.id, as)
		}
		urls[f.id] = f.url.Redacted()
	}
	return nil
}

// seed applies the history. Up to the ends that the feeds had when the consumer started, it
// merges them in one order, so that an interrupted and resumed seed gives the same result.
// Then it applies the events that have arrived since.
func (r *runner) seed(ctx context.Context) error {
	if err := r.claim(ctx, r.feeds); err != nil {
		return err
	}
	if at := &r.feeds[0].checkpoint; r.Until > 0 && at.Position > r.Until {
		return fmt.Errorf("%s: %w, %d", at, refused.ErrBeyond, r.Until)
	}
	if f := r.feeds[0]; !r.Follow && f.Last() < r.Until {
		return fmt.Errorf("feed %s: %w %d, it ends at %d", f.checkpoint.Feed, refused.ErrUntil, r.Until, f.Last())
	}
	r.report()
	if err := r.lookAgain(ctx); err != nil {
		return err
	}
	err := r.advance(ctx, r.feeds, func(f *reading) int64 { return min(r.end(f), f.checkpoint.SeedEnd) })
	if err == nil && r.AsOf.IsZero() {
		err = r.advance(ctx, r.feeds, r.end)
	}
	if err != nil {
		return err
	}
	return r.endWithheld(ctx)
}

// lookAgain polls each feed that shows fewer events than when the consumer started, so that
// the order of several feeds stays the same. If a feed still shows fewer events at the end
// of the retry timeout, or has begun a new epoch, it has lost these events before they were
// read.
func (r *runner) lookAgain(ctx context.Context) error {
	if len(r.feeds) == 1 {
		return nil // a single feed needs no merge
	}
	limit := r.Patience
	if limit < 0 {
		limit = walk.MissingFor
	}
	for _, f := range r.feeds {
		for since := time.Now(); f.showsLess() && time.Since(since) < limit; {
			if err := retry.Sleep(ctx, walk.StaleFor/20); err != nil {
				return err
			}
			if err := f.Look(ctx); err != nil {
				return err
			}
			if err := r.check(ctx, f); err != nil {
				return err
			}
			f.note()
		}
	}
	return nil
}

// showsLess reports whether a feed shows fewer events than when the consumer started, and
// has not begun a new epoch that shows that the others are lost.
func (f *reading) showsLess() bool {
	if f.Last() >= f.checkpoint.SeedEnd {
		return false
	}
	_, head := f.Served()
	if head == nil {
		return true
	}
	newest := head.Epochs[len(head.Epochs)-1]
	return newest.ID == f.checkpoint.Epoch || newest.FirstPosition <= f.checkpoint.Position
}

// end returns the position to read a feed to.
func (r *runner) end(f *reading) int64 {
	if r.Until > 0 {
		return min(f.Last(), r.Until)
	}
	return f.Last()
}

func (r *runner) atUntil() bool {
	return r.Until > 0 && r.feeds[0].checkpoint.Position >= r.Until
}

// reached returns an error if the run has not reached Until.
func (r *runner) reached() error {
	if at := &r.feeds[0].checkpoint; r.Until > at.Position {
		return fmt.Errorf("feed %s: %w %d, it ends at %d", at.Feed, refused.ErrUntil, r.Until, at.Position)
	}
	return nil
}

// noteAway reports that the target is unavailable.
func (r *runner) noteAway(err error) {
	if r.target.Err == nil {
		r.target.Away = time.Now()
	}
	r.target.Err = err
	r.target.Retries++
	r.report()
}
