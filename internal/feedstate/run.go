package feedstate

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// pollInterval is how often the loop looks by itself. lookInterval is the least
// time from one look that requests asked for to the next, however many ask.
// watchInterval is the pause before a watch that ended is started again; until
// then the looks are all there is.
const (
	pollInterval  = time.Second
	lookInterval  = 250 * time.Millisecond
	watchInterval = 5 * time.Second
)

// A read that takes longer than its limit has hit a connection that does not
// answer: it is given up, so that the next read gets another connection. The
// limit doubles each time, and stays above what the last read took, so that a
// slow database is read at last.
const (
	minReadLimit = 3 * time.Second
	maxReadLimit = 20 * time.Second
)

// Hint says that a feed has changed, or with an empty name that any may have.
// It does not wait.
func (f *Feeds) Hint(name string) {
	f.hints.Lock()
	f.hinted[name] = true
	f.hints.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *Feeds) takeHints() map[string]bool {
	f.hints.Lock()
	defer f.hints.Unlock()
	taken := f.hinted
	f.hinted = make(map[string]bool)
	return taken
}

// Run keeps the states up to date until ctx is done. While the database is
// away they stay as they are, see [Feeds.CutOff].
func (f *Feeds) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { f.watch(ctx); return nil })
	group.Go(func() error { f.refresh(ctx); return nil })
	return group.Wait()
}

func (f *Feeds) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.log.Watch(ctx, f.Hint)
		if ctx.Err() == nil {
			f.logger.Debug("the database sends no notifications, polling for changes", "error", err, "every", pollInterval)
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchInterval):
		}
	}
}

func (f *Feeds) refresh(ctx context.Context) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	due := time.NewTimer(0) // for a look that requests have asked for
	defer due.Stop()
	limit, cutOff, looked := minReadLimit, false, time.Time{}
	for {
		names := map[string]bool{"": true}
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-f.wake:
			names = f.takeHints()
		case <-f.asked:
			due.Reset(time.Until(looked.Add(lookInterval)))
			continue
		case <-due.C:
			if !f.isAsked() {
				continue // another look has served them
			}
		}
		began := time.Now()
		if names[""] {
			looked = began
		}
		err := f.read(ctx, names, limit)
		if ctx.Err() != nil {
			return
		}
		if took := time.Since(began); err == nil {
			limit = max(minReadLimit, 2*took)
		} else if took >= limit {
			limit = min(2*limit, maxReadLimit)
		}
		cutOff = f.report(cutOff, err)
	}
}

// read reads the named feeds, or with an empty name all that have changed.
func (f *Feeds) read(ctx context.Context, names map[string]bool, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if names[""] {
		return f.Look(ctx)
	}
	f.looking.Lock()
	defer f.looking.Unlock()
	return f.readEach(ctx, slices.Collect(maps.Keys(names)))
}

// report logs when an outage begins to show in answers, and when it is over. It
// is no warning: the sequencer, which needs the same database, warns.
func (f *Feeds) report(was bool, err error) (is bool) {
	age, is := f.CutOff()
	switch {
	case is && !was:
		f.logger.Info("the database is unavailable, answering from memory", "error", err, "age", age.Round(time.Second))
	case was && !is:
		f.logger.Info("the database is available again, answers are up to date")
	case err != nil:
		f.logger.Debug("cannot look for changes, retrying", "error", err)
	}
	return is
}
