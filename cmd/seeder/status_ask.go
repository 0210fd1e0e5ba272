package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/fetch"
	"github.com/eventfeed/eventfeed/internal/lag"
	"github.com/eventfeed/eventfeed/internal/walk"
	"github.com/eventfeed/eventfeed/seed"
)

// asker requests feeds to compute lags. It sends credentials to the servers of --from only, and
// none to the other URLs in the database.
type asker struct {
	lag   lag.Asker
	shows bool                    // that the servers of --from are shown who we are
	given map[string]*walk.Client // for the URLs of --from, by what the database holds of them
}

func newAsker(from []string, n *network) (*asker, error) {
	once := seed.Config{Prefetch: 1, Logger: slog.New(slog.DiscardHandler)}
	nobody := &network{origins: n.origins, http: fetch.HTTPConfig{CA: n.http.CA}}
	a := &asker{
		shows: n.bearer != "" || len(n.fields) > 0 || n.http.ClientCertificate != "",
		given: make(map[string]*walk.Client),
	}
	client := func(n *network, url string) (*walk.Client, error) {
		u, err := fetch.ParseURL(url)
		if err != nil {
			return nil, err
		}
		fetcher, err := n.fetcher(u, once)
		if err != nil {
			return nil, err
		}
		return &walk.Client{Client: fetcher}, nil
	}
	for _, url := range from {
		if _, err := fetch.ParseURL(url); err != nil {
			return nil, cli.Usage("--from: %w", err)
		}
		of, err := client(n, url)
		if err != nil {
			return nil, err
		}
		a.given[fetch.Shown(of.Feed)] = of
	}
	a.lag.Client = func(url string) (*walk.Client, error) {
		if of := a.given[url]; of != nil {
			return of, nil
		}
		return client(nobody, url)
	}
	return a, nil
}

// ask requests the feeds of all readers in target.
func (a *asker) ask(ctx context.Context, all []lag.Reader, target lag.Target) {
	a.lag.Ask(ctx, all, target)
	for i := range all {
		r := &all[i]
		if errors.Is(r.Unknown, fetch.ErrUnauthorized) && a.shows && a.given[r.URL] == nil {
			r.Unknown = fmt.Errorf("%w; credentials go only to the servers of --from: add --from %s", r.Unknown, r.URL)
		}
	}
}

// read reads the checkpoints. The caller closes the target when the feeds are requested.
func (s *statusFlags) read(ctx context.Context, asker *asker) (found []checkpoint.Status, target lag.Target, done func(), err error) {
	if s.broker.url != "" {
		for _, client := range asker.given {
			return lookAtLog(ctx, s.log, client)
		}
	}
	database, done, err := lookAt(ctx, s.into)
	if err != nil {
		return nil, nil, nil, err
	}
	if found, err = database.Statuses(ctx); err != nil {
		done()
	}
	return found, database, done, err
}

// look reads the checkpoints, and requests their feeds.
func (s *statusFlags) look(ctx context.Context, asker *asker) ([]lag.Reader, error) {
	found, target, done, err := s.read(ctx, asker)
	if err != nil {
		return nil, err
	}
	defer done()
	all := make([]lag.Reader, 0, len(found))
	for _, f := range found {
		if s.consumer == "" || s.consumer == f.Consumer.Name {
			all = append(all, lag.Reader{Status: f, Unknown: lag.ErrNotAsked})
		}
	}
	if !s.offline {
		asker.ask(ctx, all, target)
	}
	for i := range all {
		all[i].Now = time.Now()
	}
	return all, nil
}
