package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/eventfeed/eventfeed/internal/retry"
	"github.com/eventfeed/eventfeed/internal/store"
)

// DefaultInterval is the least time between two subscription documents of a feed.
const DefaultInterval = 5 * time.Second

// Feeds are the feeds of a log.
type Feeds interface {
	Log
	// Feeds returns all feeds, ordered by name.
	Feeds(ctx context.Context) ([]store.Feed, error)
}

// Config says what to export.
type Config struct {
	Log   Feeds
	Store Store
	// Check returns an error unless the store can hold the site. It is called before the first export,
	// and again while it fails. May be nil.
	Check func(context.Context) error
	// Feed is the name of the feed; empty means all feeds, with a service document.
	Feed string
	// Follow goes on until the context is done.
	Follow   bool
	Interval time.Duration // 0 means DefaultInterval
	// Patience is the retry timeout: how long a store or a database that is unavailable is tried
	// again. A negative value means no limit.
	Patience time.Duration
	// AcceptEpoch is that of [Exporter].
	AcceptEpoch bool
	Logger      *slog.Logger
	Progress    *Progress // is kept up to date; may be nil
}

// Run exports. It returns nil when the site is up to date or, with Follow, when ctx is done. An error
// is a [HistoryError] or an [OperatorError], or the last one of the store or of the database.
func Run(ctx context.Context, config Config) error {
	if config.Interval == 0 {
		config.Interval = DefaultInterval
	}
	if config.Progress == nil {
		config.Progress = &Progress{}
	}
	r := run{Config: config, exporters: make(map[string]*Exporter)}
	err := r.run(ctx)
	if ctx.Err() != nil && config.Follow {
		return nil
	}
	return err
}

type run struct {
	Config
	exporters map[string]*Exporter
	service   Stored // the last service document that was written or read
	outage    retry.Outage
}

func (r *run) run(ctx context.Context) error {
	var tries *retry.Tries // since the first failure after a round that succeeded
	for {
		began := time.Now()
		err := r.round(ctx)
		if err == nil {
			r.Progress.succeeded()
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isFinal(err):
			return err
		case err == nil && !r.Follow:
			return nil
		case err == nil:
			if r.outage.Over() {
				r.Logger.Info("exporting again")
			}
			tries = nil
			if err := retry.Sleep(ctx, r.Interval-time.Since(began)); err != nil {
				return err
			}
			continue
		}
		if tries == nil {
			tries = retry.Begin(200*time.Millisecond, 5*time.Second)
		}
		if r.Patience >= 0 && tries.Lasted() > r.Patience {
			return err
		}
		wait := tries.Next()
		r.Logger.Log(ctx, r.outage.Level(time.Minute), "the export has failed, retrying", "error", err, "wait", wait.Round(time.Millisecond))
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// isFinal reports whether an error does not pass by itself.
func isFinal(err error) bool {
	_, history := errors.AsType[*HistoryError](err)
	_, operator := errors.AsType[*OperatorError](err)
	return history || operator || errors.Is(err, store.ErrNoFeed)
}

// round exports each feed once. A feed whose export has to end does not keep the others of the round.
func (r *run) round(ctx context.Context) error {
	if r.Check != nil {
		if err := r.Check(ctx); err != nil {
			return r.Progress.failed(r.Feed, err)
		}
		r.Check = nil
	}
	if r.Feed != "" {
		return r.export(ctx, r.Feed)
	}
	feeds, err := r.Log.Feeds(ctx)
	if err != nil {
		return r.Progress.failed("", err)
	}
	var final error
	for i := range feeds {
		f := &feeds[i]
		if e := r.exporters[f.Name]; e != nil && e.isCurrent(f) {
			r.Progress.current(f.Name)
			continue
		}
		err := r.export(ctx, f.Name)
		switch {
		case isFinal(err):
			final = errorOr(final, err)
		case err != nil:
			return err
		}
	}
	if final != nil {
		return final
	}
	return r.Progress.failed("", r.writeService(ctx, feeds))
}

// export exports a feed.
func (r *run) export(ctx context.Context, name string) error {
	e := r.exporters[name]
	if e == nil {
		e = &Exporter{Log: r.Log, Store: r.Store, Feed: name, Logger: r.Logger, AcceptEpoch: r.AcceptEpoch,
			Writing: func(result *Result) { r.Progress.writing(name, result) }}
		r.exporters[name] = e
	}
	r.Progress.begun(name)
	result, err := e.Step(ctx)
	if err != nil {
		r.Progress.behind(name, result.Head)
		return r.Progress.failed(name, err)
	}
	r.Progress.exported(name, &result)
	return nil
}

// serviceKey is the key of the service document.
const serviceKey = "feeds.xml"

// writeService writes the service document if it is another one than the site has.
func (r *run) writeService(ctx context.Context, feeds []store.Feed) error {
	body, err := serviceDocument(feeds)
	if err != nil || bytes.Equal(body, r.service.Body) {
		return err
	}
	stored, err := r.Store.Get(ctx, serviceKey)
	if err != nil && !errors.Is(err, ErrAbsent) {
		return fmt.Errorf("service document: %w", err)
	}
	if bytes.Equal(stored.Body, body) {
		r.service = stored
		return nil
	}
	refused, err := r.Store.Put(ctx, []Object{{Key: serviceKey, Kind: Service, Body: body, Replaces: stored.Tag}})
	if err == nil && len(refused) > 0 {
		err = errChanged
	}
	if err != nil {
		return fmt.Errorf("service document: %w", err)
	}
	r.service.Body = body
	return nil
}
