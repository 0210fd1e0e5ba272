//go:build unix

package sites_test

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/site"
	"github.com/eventfeed/eventfeed/internal/site/folder"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testproxy"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
)

// benchEvents returns EVENTS, or fewer than a real history has.
func benchEvents(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("EVENTS"))
	if err != nil {
		n = 100_000
	}
	return n
}

// history returns events of about 264 bytes of JSON.
func history(first, last int) (all []event.Event) {
	for n := first; n <= last; n++ {
		all = append(all, event.Event{
			ID: fmt.Sprintf("b8b0e2f3-1ea0-57a4-a222-%012x", n), Source: "/fines", Type: "FineCreated", Subject: fmt.Sprint("A", n/4), DataContentType: "application/json",
			Time: time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC), Data: fmt.Appendf(nil, `{"amount":%d.5,"resource":"18","dismissal":"NIL","vehicleClass":"A"}`, n%97),
		})
	}
	return all
}

// newHistory returns a log in PostgreSQL with events that have no position yet.
func newHistory(b *testing.B, events int) *store.Log {
	b.Helper()
	l := storetest.Open(b, testdb.Postgres(b))
	storetest.Create(b, l, "orders", 500)
	for first := 1; first <= events; first += 10_000 {
		storetest.Append(b, l, "orders", history(first, min(events, first+9_999)))
	}
	return l
}

func export(b *testing.B, l *store.Log) (path string) {
	b.Helper()
	path, err := os.MkdirTemp("", "eventfeed-site-") //nolint:usetesting // nginx runs as another user, who may not enter b.TempDir
	must.OK(b, err)
	b.Cleanup(func() { _ = os.RemoveAll(path) })
	must.OK(b, os.Chmod(path, 0o755))
	f, err := folder.Open(path, true)
	must.OK(b, err)
	must.OK(b, site.Run(b.Context(), site.Config{Log: l, Store: f, Feed: "orders", Logger: slog.New(slog.DiscardHandler)}))
	return path
}

// BenchmarkExport exports a history to a folder, beside the time that it took to sequence and to seal it.
//
//	EVENTS=1000000 test/postgres go test ./test/sites -run '^$' -bench Export -benchtime 1x -timeout 1h
func BenchmarkExport(b *testing.B) {
	events := benchEvents(b)
	for b.Loop() {
		l := newHistory(b, events)
		began := time.Now()
		storetest.Drain(b, l, "orders")
		drained := time.Since(began)
		began = time.Now()
		export(b, l)
		exported := time.Since(began)
		b.ReportMetric(float64(events)/drained.Seconds(), "sealed-events/s")
		b.ReportMetric(float64(events)/exported.Seconds(), "exported-events/s")
		b.ReportMetric(exported.Seconds()/drained.Seconds(), "export/sealing")
	}
}

// BenchmarkSeed fills PostgreSQL by turns from the server and from nginx over the exported folder, and
// reports the median of the rounds' ratios.
//
//	EVENTS=500000 test/postgres go test ./test/sites -run '^$' -bench Seed -benchtime 5x -timeout 1h
func BenchmarkSeed(b *testing.B) {
	events := benchEvents(b)
	l := newHistory(b, events)
	storetest.Drain(b, l, "orders")
	server := servertest.Publish(b, l).URL + "/feeds/orders"
	nginx := testproxy.NginxSite(b, export(b, l)) + "/feeds/orders.atom"
	var ratios []float64
	fill := func(from string) time.Duration {
		pool, err := pgxpool.New(b.Context(), testdb.Postgres(b))
		must.OK(b, err)
		defer pool.Close()
		began := time.Now()
		must.OK(b, seed.Run(b.Context(), seed.Config{From: []string{from}, Into: seedpgx.Open(pool).Inbox()}))
		return time.Since(began)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		direct, static := fill(server), fill(nginx)
		ours, theirs = ours+direct, theirs+static
		ratios = append(ratios, direct.Seconds()/static.Seconds())
	}
	slices.Sort(ratios)
	n := float64(events * len(ratios))
	b.ReportMetric(n/ours.Seconds(), "server-events/s")
	b.ReportMetric(n/theirs.Seconds(), "site-events/s")
	b.ReportMetric(ratios[len(ratios)/2], "median-ratio")
}
