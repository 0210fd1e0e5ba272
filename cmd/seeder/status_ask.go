package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/foreign"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

// Errors of a lag that nobody can tell.
var (
	errNoURL   = errors.New("its URL is not in the database: it comes with the next seeder run")
	errForeign = errors.New("is not served by eventfeed any more, and does not tell")
)

// askPatience is how long a feed may take to answer.
const askPatience = 5 * time.Second

// asked is a feed that is asked.
type asked interface {
	// Look fetches what it shows now.
	Look(ctx context.Context) error
	// Lag tells how far a consumer is behind that.
	Lag(ctx context.Context, s *checkpoint.Standing) (lag.Lag, error)
}

// read is a feed's URL, as the database holds it, and how it was read.
type read struct {
	url     string
	foreign bool // not as a feed of eventfeed's own
}

// asker asks feeds, and keeps what they have sent.
type asker struct {
	shows  bool                    // that the servers of --from are shown who we are
	given  map[string]*walk.Client // for the URLs of --from, by what the database holds of them
	other  func(*url.URL) (*fetch.Client, error)
	feeds  map[read]asked
	target lookedAt // the database that is being looked at
}

// newAsker shows who we are to the servers of --from and to no other: what else
// the database holds is asked without.
func newAsker(from []string, n *network) (*asker, error) {
	once := seed.Config{Prefetch: 1, Logger: slog.New(slog.DiscardHandler)}
	nobody := &network{origins: n.origins, http: fetch.HTTPConfig{CA: n.http.CA}}
	a := &asker{
		shows: n.bearer != "" || len(n.fields) > 0 || n.http.ClientCertificate != "",
		given: make(map[string]*walk.Client),
		feeds: make(map[read]asked),
		other: func(u *url.URL) (*fetch.Client, error) { return nobody.fetcher(u, once) },
	}
	for _, raw := range from {
		u, err := fetch.ParseURL(raw)
		if err != nil {
			return nil, cli.Usage("--from: %w", err)
		}
		fetcher, err := n.fetcher(u, once)
		if err != nil {
			return nil, err
		}
		a.given[fetch.Shown(u)] = &walk.Client{Client: fetcher}
	}
	return a, nil
}

// ask asks all feeds at once, each for all of its readers, whose standings are
// of target.
func (a *asker) ask(ctx context.Context, all []standing, target lookedAt) {
	a.target = target
	readers := make(map[read][]*standing)
	for i := range all {
		s := &all[i]
		switch {
		case !s.Consumer.AsOf.IsZero() && s.Position >= s.SeedEnd:
			s.unknown = nil // nothing follows, whatever the feed has
		case s.URL == "":
			s.unknown = errNoURL
		default:
			of := read{s.URL, foreign.IsForeign(&s.Checkpoint)}
			readers[of] = append(readers[of], s)
		}
	}
	var asking sync.WaitGroup
	for of, these := range readers {
		f, err := a.feed(of)
		if err != nil {
			for _, s := range these {
				s.unknown = err
			}
			continue
		}
		asking.Go(func() { askFeed(ctx, f, these) })
	}
	asking.Wait()
	for of, these := range readers {
		for _, s := range these {
			if errors.Is(s.unknown, fetch.ErrUnauthorized) && a.shows && a.given[of.url] == nil {
				s.unknown = fmt.Errorf("%w; what says who you are goes to the servers of --from only: add --from %s", s.unknown, of.url)
			}
		}
	}
}

// feed returns the feed that was read.
func (a *asker) feed(of read) (f asked, err error) {
	if known := a.feeds[of]; known != nil {
		return known, nil
	}
	client := a.given[of.url]
	if client == nil {
		u, err := fetch.ParseURL(of.url)
		if err != nil {
			return nil, err
		}
		fetcher, err := a.other(u)
		if err != nil {
			return nil, err
		}
		client = &walk.Client{Client: fetcher}
	}
	if of.foreign {
		f = &lag.Foreign{
			Config: foreign.Config{Client: client.Client, URL: client.Feed},
			Memory: func(consumer, feedID string) checkpoint.Memory { return a.target.Memory(consumer, feedID) },
		}
	} else {
		f = &lag.Feed{
			URL: client.Feed, Client: client,
			Kept: func(ctx context.Context, consumer, feedID string) ([]walk.Place, error) {
				return a.target.Kept(ctx, consumer, feedID)
			},
		}
	}
	a.feeds[of] = f
	return f, nil
}

func askFeed(ctx context.Context, f asked, readers []*standing) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	err := f.Look(ctx)
	if unanswered, is := errors.AsType[*fetch.Error](err); is {
		err = unanswered // it was not asked for long enough to give up
	}
	if errors.Is(err, feed.ErrNotOurs) {
		err = errForeign
	}
	for _, s := range readers {
		if s.unknown = err; err == nil {
			s.lag, s.unknown = f.Lag(ctx, &s.Standing)
		}
	}
}
