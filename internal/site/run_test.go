//go:build unix

package site_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/feed"

	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/bucket"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testbucket"
)

// counting counts the transactions of a log.
type counting struct {
	*store.Log
	heads, archives, others atomic.Int64
}

func (c *counting) Head(ctx context.Context, name string, known *feed.Document, archives int64) (store.Head, error) {
	c.heads.Add(1)
	return c.Log.Head(ctx, name, known, archives)
}

func (c *counting) Archive(ctx context.Context, name string, page feed.Page) (*store.Feed, store.Document, error) {
	c.archives.Add(1)
	return c.Log.Archive(ctx, name, page)
}

func (c *counting) DigestAt(ctx context.Context, f *store.Feed, position int64) (feed.Digest, error) {
	c.others.Add(1)
	return c.Log.DigestAt(ctx, f, position)
}

// What follows costs the database one transaction for each page, and one for each interval.
func TestAnExportThatFollowsReadsTheLogOncePerPageAndInterval(t *testing.T) {
	t.Parallel()
	l, _ := newLog(t, 3)
	c := &counting{Log: l}
	s := newFolder(t)
	e := exporter(l, s)
	e.Log = c
	step(t, e)
	at, intervals := 3, int64(1)
	for _, more := range []int{0, 1, 0, pageSize, 17 * pageSize, 1, 1, 0} {
		if more > 0 {
			grow(t, l, at+1, at+more)
		}
		at += more
		before := c.archives.Load()
		step(t, e)
		if more <= 1 && c.archives.Load() != before && at%pageSize != 0 {
			t.Errorf("archives were read at position %d, though none was sealed", at)
		}
		intervals++
	}
	pages := int64(at / pageSize)
	if all := c.heads.Load() + c.archives.Load() + c.others.Load(); c.heads.Load() != intervals || all > pages+intervals {
		t.Errorf("%d reads of the head in %d intervals, %d of archives for %d pages, %d others", c.heads.Load(), intervals, c.archives.Load(), pages, c.others.Load())
	}
	wantSite(t, s, l)
}

// away is a store that can be unavailable.
type away struct {
	site.Store
	is atomic.Bool
}

var errAway = errors.New("connection refused")

func (a *away) Get(ctx context.Context, key string) (site.Stored, error) {
	if a.is.Load() {
		return site.Stored{}, errAway
	}
	return a.Store.Get(ctx, key)
}

func (a *away) Put(ctx context.Context, objects []site.Object) ([]int, error) {
	if a.is.Load() {
		return nil, errAway
	}
	return a.Store.Put(ctx, objects)
}

// wait waits until the progress of the one feed is as wanted.
func wait(t *testing.T, progress *site.Progress, what string, is func(site.FeedProgress) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if all := progress.Feeds(); len(all) == 1 && is(all[0]) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v", what, progress.Feeds())
		}
	}
}

// up returns what the metrics say of an export.
func up(t *testing.T, progress *site.Progress) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(site.NewMetrics(progress))
	families, err := registry.Gather()
	must.OK(t, err)
	for _, family := range families {
		if family.GetName() == "eventfeed_export_up" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("there is no such metric")
	return 0
}

func TestAnExportThatStartsWhileTheBucketIsAwayWaitsForIt(t *testing.T) {
	t.Parallel()
	l, _ := newLog(t, 7)
	server := testbucket.Own(t)
	b, err := bucket.Open(fmt.Sprintf("s3://%s?endpoint=http://%s&region=us-east-1", server.Bucket(t), server.Address()), bucket.Options{})
	must.OK(t, err)
	server.Kill()
	progress := &site.Progress{}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- site.Run(ctx, site.Config{
			Log: l, Store: b, Check: b.Check, Feed: "orders", Follow: true, Patience: -1, Logger: slog.New(slog.DiscardHandler), Progress: progress,
		})
	}()
	wait(t, progress, "away", func(p site.FeedProgress) bool { return p.Err != nil })
	if progress.Ready() == nil || up(t, progress) != 0 {
		t.Error("what is not exported yet is said to be")
	}
	server.Restart(t)
	wait(t, progress, "back", func(p site.FeedProgress) bool { return p.Position == 7 && p.Err == nil })
	must.OK(t, progress.Ready())
	if up(t, progress) != 1 {
		t.Error("what is exported is said not to be")
	}
	stop()
	must.OK(t, <-ended)
	wantSite(t, b, l)
}

func TestAnExportWaitsForASiteThatIsAwayAndShowsIt(t *testing.T) {
	t.Parallel()
	l, _ := newLog(t, 7)
	s := &away{Store: newFolder(t)}
	progress := &site.Progress{}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	config := site.Config{
		Log: l, Store: s, Feed: "orders", Follow: true, Interval: 10 * time.Millisecond, Patience: -1, Logger: slog.New(slog.DiscardHandler), Progress: progress,
	}
	go func() { ended <- site.Run(ctx, config) }()
	until := func(what string, is func(site.FeedProgress) bool) {
		t.Helper()
		wait(t, progress, what, is)
	}
	until("exported", func(p site.FeedProgress) bool { return p.Position == 7 && p.Behind() == 0 })
	must.OK(t, progress.Ready())
	s.is.Store(true)
	grow(t, l, 8, 23)
	until("away", func(p site.FeedProgress) bool {
		return p.Position == 7 && p.Behind() == 16 && errors.Is(p.Err, errAway)
	})
	if since, err := progress.Failing(); err == nil || since.IsZero() {
		t.Errorf("%v since %v", err, since)
	}
	s.is.Store(false)
	until("back", func(p site.FeedProgress) bool { return p.Position == 23 && p.Err == nil })
	if _, err := progress.Failing(); err != nil {
		t.Error(err)
	}
	stop()
	must.OK(t, <-ended)
	wantSite(t, s, l)

	s.is.Store(true)
	config.Follow, config.Patience = false, time.Millisecond
	if err := site.Run(t.Context(), config); !errors.Is(err, errAway) {
		t.Errorf("a run that does not follow: %v", err)
	}
}
