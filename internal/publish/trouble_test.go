package publish_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/eventfeed/eventfeed/internal/publish"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// troubled is a publisher on feeds of which some are in trouble.
type troubled struct {
	log      *store.Log
	said     *lockedBuffer
	registry *prometheus.Registry
	metrics  *publish.Metrics
}

func startTroubled(t *testing.T, l *store.Log) *troubled {
	t.Helper()
	p := &troubled{log: l, said: &lockedBuffer{}, registry: prometheus.NewRegistry()}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p.metrics = publish.NewMetrics(p.registry)
	config := publish.Config{Log: l, Logger: slog.New(slog.NewTextHandler(p.said, nil)), Metrics: p.metrics}
	go func() { done <- publish.Run(ctx, config) }()
	t.Cleanup(func() {
		cancel()
		must.OK(t, <-done)
	})
	return p
}

// goesOn makes sure that a feed's events get their positions one after the other
// much sooner than after a feed's error each.
func (p *troubled) goesOn(t *testing.T, feed string) {
	t.Helper()
	const events = 20
	began := time.Now()
	for n := range events {
		storetest.Append(t, p.log, feed, storetest.Events(n+1, n+1))
		waitFor(t, p.log, feed, int64(n+1), 0)
	}
	if took := time.Since(began); took > events*time.Second/2 {
		t.Errorf("%d events took %v", events, took)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	must.OK(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestFeedThatIsLockedStopsNoOther(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	const held = 12 // as many as the server has connections
	for n := range held {
		storetest.Create(t, l, fmt.Sprint("held", n), 10)
		storetest.Append(t, l, fmt.Sprint("held", n), storetest.Events(1, 25))
	}
	storetest.Create(t, l, "free", 0)
	holder := connect(t, url)
	tx, err := holder.Begin(t.Context())
	must.OK(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM eventfeed.feeds WHERE name LIKE 'held%' FOR UPDATE")
	must.OK(t, err)
	p := startTroubled(t, l)
	p.goesOn(t, "free")
	must.OK(t, tx.Rollback(t.Context()))
	for n := range held {
		waitFor(t, l, fmt.Sprint("held", n), 25, 2)
	}
}

// TestEventThatCannotBePlacedSlowsNoOtherFeed: nobody can append one but by going
// round the functions for writers.
func TestEventThatCannotBePlacedSlowsNoOtherFeed(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	bad := storetest.Create(t, l, "bad", 0)
	storetest.Create(t, l, "good", 0)
	conn := connect(t, url)
	_, err := conn.Exec(t.Context(), `WITH added AS (INSERT INTO eventfeed.events (feed, id, source, type, time)
		VALUES ($1, '1', '/test', '', now()) RETURNING insert_no) INSERT INTO eventfeed.pending SELECT $1, insert_no FROM added`, bad.Key)
	must.OK(t, err)
	p := startTroubled(t, l)
	waitMetric(t, p.registry, "eventfeed_sequencer_failing_feeds", func(n float64) bool { return n == 1 })
	p.goesOn(t, "good")
	if said := p.said.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "feed=bad") {
		t.Errorf("the log:\n%s", said)
	}
	if sequencer, sealer := p.metrics.Failing(); len(sequencer) != 1 || !strings.Contains(sequencer["bad"], "type") || len(sealer) != 0 {
		t.Errorf("failing: %q, %q", sequencer, sealer)
	}
	_, err = conn.Exec(t.Context(), "UPDATE eventfeed.events SET type = 'Mended' WHERE feed = $1", bad.Key)
	if err == nil {
		waitFor(t, l, "bad", 1, 0)
	}
}

// TestServerThatFreezesInAStepIsEndedByTheDatabase, so that another one goes on.
func TestServerThatFreezesInAStepIsEndedByTheDatabase(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	frozen, other := storetest.Open(t, url), storetest.Open(t, url)
	storetest.Create(t, frozen, "f", 0)
	limited, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := frozen.Write(limited, time.Second, func(tx store.Tx) error {
		if _, _, err := tx.Lock(limited, "f"); err != nil {
			return err
		}
		err := other.Write(t.Context(), time.Minute, func(tx store.Tx) error {
			_, _, err := tx.Lock(t.Context(), "f")
			return err
		})
		must.OK(t, err) // while the first one is still in its step
		return nil
	})
	if err == nil {
		t.Error("the step went on")
	}
}
