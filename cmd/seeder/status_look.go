package main

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/internal/behind"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

// standing is a checkpoint with what its feed says of it.
type standing struct {
	checkpoint.Standing
	lag     behind.Lag
	unknown error // why the lag is not known; nil if it is
	now     time.Time
}

// Errors of a lag that nobody can tell.
var (
	errOffline = errors.New("was not asked")
	errNoURL   = errors.New("its URL is not in the database: it comes with the next seeder run")
	errForeign = errors.New("is not served by eventfeed, and does not tell")
)

// look reads the standings, and asks their feeds.
func (s *statusFlags) look(ctx context.Context, asker *asker) ([]standing, error) {
	found, err := standings(ctx, s.into)
	if err != nil {
		return nil, err
	}
	all := make([]standing, 0, len(found))
	for _, f := range found {
		if s.consumer == "" || s.consumer == f.Consumer.Name {
			all = append(all, standing{Standing: f, unknown: errOffline})
		}
	}
	if !s.offline {
		asker.ask(ctx, all)
	}
	for i := range all {
		all[i].now = time.Now()
	}
	return all, nil
}

// askPatience is how long a feed may take to answer.
const askPatience = 5 * time.Second

// asker asks feeds, and keeps what they have sent.
type asker struct {
	given map[string]*walk.Client // for the URLs of --from, by what the database holds of them
	other func(*url.URL) (*fetch.Client, error)
	feeds map[string]*behind.Feed
}

// newAsker shows who we are to the servers of --from and to no other: what else
// the database holds is asked without.
func newAsker(from []string, n *network) (*asker, error) {
	once := seed.Config{Prefetch: 1, Logger: slog.New(slog.DiscardHandler)}
	nobody := &network{origins: n.origins, http: fetch.HTTPConfig{CA: n.http.CA}}
	a := &asker{
		given: make(map[string]*walk.Client),
		feeds: make(map[string]*behind.Feed),
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

// ask asks all feeds at once, each for all of its readers.
func (a *asker) ask(ctx context.Context, all []standing) {
	readers := make(map[string][]*standing)
	for i := range all {
		s := &all[i]
		switch {
		case !s.Consumer.AsOf.IsZero() && s.Position >= s.SeedEnd:
			s.unknown = nil // nothing follows, whatever the feed has
		case s.URL == "":
			s.unknown = errNoURL
		default:
			readers[s.URL] = append(readers[s.URL], s)
		}
	}
	var asking sync.WaitGroup
	for raw, these := range readers {
		f, err := a.feed(raw)
		if err != nil {
			for _, s := range these {
				s.unknown = err
			}
			continue
		}
		asking.Go(func() { askFeed(ctx, f, these) })
	}
	asking.Wait()
}

// feed returns the feed at a URL as the database holds it.
func (a *asker) feed(raw string) (*behind.Feed, error) {
	if f, known := a.feeds[raw]; known {
		return f, nil
	}
	client, u := a.given[raw], (*url.URL)(nil)
	if client != nil {
		u = client.Feed
	} else {
		var err error
		if u, err = fetch.ParseURL(raw); err != nil {
			return nil, err
		}
		fetcher, err := a.other(u)
		if err != nil {
			return nil, err
		}
		client = &walk.Client{Client: fetcher}
	}
	f := &behind.Feed{URL: u, Client: client}
	a.feeds[raw] = f
	return f, nil
}

func askFeed(ctx context.Context, f *behind.Feed, readers []*standing) {
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

// The states of a consumer's feed.
const (
	stateSeeding   = "seeding"
	stateFollowing = "following"
	stateStopped   = "stopped"
	stateDone      = "done"
	stateMismatch  = "mismatch"
	stateUnknown   = "unknown"
)

func (s *standing) state() string {
	switch {
	case errors.Is(s.unknown, walk.ErrMismatch):
		return stateMismatch
	case !s.Consumer.AsOf.IsZero() && s.Position >= s.SeedEnd:
		return stateDone
	case s.HeldErr != nil:
		return stateUnknown
	case !s.Held:
		return stateStopped
	case s.Position < s.SeedEnd:
		return stateSeeding
	default:
		return stateFollowing
	}
}
