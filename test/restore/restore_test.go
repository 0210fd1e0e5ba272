//go:build unix

// Package restore_test loses the end of a history on PostgreSQL servers of its
// own, as a restore and a failover do, and sees what readers make of it.
package restore_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// The history: up to backedUp it is in the backup, then up to lost it is lost.
// Pages have 10 events.
const (
	backedUp = 47
	lost     = 95
)

// serve publishes and serves the feed f of a database until stop.
func serve(t *testing.T, url string, said io.Writer) (l *store.Log, feedURL string, stop func()) {
	t.Helper()
	opened := storetest.Open(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	published := make(chan error, 1)
	go func() {
		published <- publish.Run(ctx, publish.Config{Log: opened, Logger: slog.New(slog.NewTextHandler(said, nil))})
	}()
	handler, letGo := servertest.Start(t, opened)
	web := httptest.NewServer(handler)
	return opened, web.URL + "/feeds/f", func() {
		web.Close()
		cancel()
		must.OK(t, <-published)
		letGo()
		opened.Close()
	}
}

// waitFor waits until the feed is published up to a position.
func waitFor(t *testing.T, l *store.Log, position int64) store.Feed {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		f, err := l.Feed(t.Context(), "f")
		if err == nil && f.Position == position && f.Archives == f.Open.Number-1 {
			return f
		}
		if time.Now().After(deadline) {
			t.Fatalf("position %d was not reached: %+v, %v", position, f, err)
		}
	}
}

// appendOthers appends events that are not those that were lost.
func appendOthers(t *testing.T, l *store.Log, first, last int) {
	t.Helper()
	events := storetest.Events(first, last)
	for i := range events {
		events[i].Data = []byte(`"otherwise"`)
	}
	storetest.Append(t, l, "f", events)
}

// reader is a seeder with a database of its own.
type reader struct{ path string }

func newReader(t *testing.T) *reader { return &reader{filepath.Join(t.TempDir(), "reader.db")} }

func (r *reader) config(from string) seed.Config {
	return seed.Config{From: []string{from}, Into: seedsqlite.Open(r.path).Inbox()}
}

// read reads to the end of the feed, and returns where that was.
func (r *reader) read(t *testing.T, from string) (end seed.FeedProgress, err error) {
	t.Helper()
	config := r.config(from)
	config.Progress = func(p seed.Progress) { end = p.Feeds[0] }
	err = seed.Run(t.Context(), config)
	return end, err
}

// wantEnd reads to the end, which must be the log's own.
func (r *reader) wantEnd(t *testing.T, l *store.Log, from string) {
	t.Helper()
	end, err := r.read(t, from)
	must.OK(t, err)
	position, digest := storetest.Verify(t, l, "f")
	if end.Position != position || end.Digest != digest {
		t.Errorf("reader ended with %+v, the log is at position %d with digest %s", end, position, digest)
	}
	if events := r.events(t); events != position {
		t.Errorf("reader has %d events of %d", events, position)
	}
}

func (r *reader) events(t *testing.T) (n int64) {
	t.Helper()
	db, err := sqlitedb.OpenReader(t.Context(), r.path)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	must.OK(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM eventfeed_inbox_events").Scan(&n))
	return n
}

// wantWayOn: the readers of a history whose end is lost. The one in the common
// part goes on by itself. The one beyond it stops, applies nothing, and goes on
// once it has gone back to where it is told to.
func wantWayOn(t *testing.T, l *store.Log, from string, within, beyond *reader) {
	t.Helper()
	within.wantEnd(t, l, from)
	_, err := beyond.read(t, from)
	loss, is := errors.AsType[*seed.LostError](err)
	if !is || !loss.Known || loss.Common != backedUp || loss.Position != lost {
		t.Fatalf("the reader beyond the common part stopped with %v", err)
	}
	if events := beyond.events(t); events != lost {
		t.Errorf("it has %d events", events)
	}
	must.OK(t, seed.Rewind(t.Context(), beyond.config(from), loss.Common, nil))
	beyond.wantEnd(t, l, from)
}

func query[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	must.OK(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

// waitUntil waits until a condition in SQL holds on a server.
func waitUntil(t *testing.T, c *testcluster.Cluster, condition string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !query[bool](t, c.URL(), "SELECT "+condition); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never held that %s", condition)
		}
	}
}
