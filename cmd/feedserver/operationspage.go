package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/eventfeed/eventfeed/internal/feedstate"
	"github.com/eventfeed/eventfeed/internal/httpd/operations"
	"github.com/eventfeed/eventfeed/internal/overview"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/readers"
	"github.com/eventfeed/eventfeed/internal/version"
)

// sampleEvery is how often the positions of the feeds are noted, for rates and lags. They are in
// memory: the database is not asked for them.
const sampleEvery = 5 * time.Second

// operationsPage is the page at the root of the private listener. Its zero value, of a server without
// such a listener, keeps no readers.
type operationsPage struct {
	sources  overview.Sources
	readers  *readers.List
	progress readers.Progress
	feeds    *feedstate.Feeds
	database *operations.Feeds
	live     atomic.Pointer[overview.Live]
}

// init is called before the page is served.
func (p *operationsPage) init(ready func() error, profiles bool) {
	p.sources = overview.Sources{Version: version.Read().String(), Started: time.Now(), Ready: ready, Profiles: profiles}
	p.readers = &readers.List{}
}

// watch shows the feeds. It is called once, before run.
func (p *operationsPage) watch(feeds *feedstate.Feeds, database *operations.Feeds, publisher *publish.Metrics) {
	p.feeds, p.database = feeds, database
	p.live.Store(&overview.Live{
		Feeds: feeds.All, CutOff: feeds.CutOff, Known: database.Known, Failing: publisher.Failing,
		Readers: p.readers, Progress: &p.progress,
	})
}

// run keeps what the page shows up to date until ctx is done.
func (p *operationsPage) run(ctx context.Context) error {
	if p.database == nil {
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.database.Run(ctx) })
	group.Go(func() error { return p.sample(ctx) })
	return group.Wait()
}

func (p *operationsPage) sample(ctx context.Context) error {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		names, now := make(map[string]bool), time.Now()
		for _, f := range p.feeds.All() {
			names[f.Name] = true
			p.progress.Note(f.Name, f.Epoch(), f.Epochs[len(f.Epochs)-1].FirstPosition, f.Published, now)
		}
		p.progress.Keep(names)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (p *operationsPage) handler() http.Handler {
	return operations.Overview(func() overview.Sources {
		sources := p.sources
		sources.Live = p.live.Load()
		return sources
	}, nil)
}
