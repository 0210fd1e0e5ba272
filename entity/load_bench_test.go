package entity_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/entity"
	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// BenchmarkLoadOfALongHistory loads, by turns, an entity of 100 events and one of a
// million, each with 50 events behind its snapshot. Of the medians, "long/short" is the
// ratio.
func BenchmarkLoadOfALongHistory(b *testing.B) {
	url := testdb.Postgres(b)
	l := storetest.Open(b, url)
	_, err := l.Create(b.Context(), store.Feed{Name: "accounts", Entities: true})
	must.OK(b, err)
	pool, err := pgxpool.New(b.Context(), url)
	must.OK(b, err)
	defer pool.Close()
	r, db := accounts(100, nil), entity.Pgx(pool)
	lengths := map[string]int{"short": 100, "long": 1_000_000}
	for subject, length := range lengths {
		for _, n := range []int{length, 50} {
			appendMoves(b, l, subject, n)
			if n != 50 { // a snapshot at its end
				_, err := r.Load(b.Context(), db, subject)
				must.OK(b, err)
			}
		}
	}
	_, err = pool.Exec(b.Context(), "VACUUM ANALYZE")
	must.OK(b, err)
	took := make(map[string][]time.Duration)
	for b.Loop() {
		for subject, length := range lengths {
			start := time.Now()
			e, err := r.Load(b.Context(), db, subject)
			took[subject] = append(took[subject], time.Since(start))
			if err != nil || e.Version != int64(length+50) {
				b.Fatalf("%s: version %d, %v", subject, e.Version, err)
			}
		}
	}
	median := func(subject string) float64 {
		slices.Sort(took[subject])
		return float64(took[subject][len(took[subject])/2])
	}
	b.ReportMetric(median("long")/1e3, "µs/long")
	b.ReportMetric(median("short")/1e3, "µs/short")
	b.ReportMetric(median("long")/median("short"), "long/short")
}

func appendMoves(b *testing.B, l *store.Log, subject string, n int) {
	b.Helper()
	for n > 0 {
		events := make([]event.Event, min(n, 5000))
		for i := range events {
			events[i] = move(1, "deposit")
			events[i].Subject = subject
		}
		storetest.Append(b, l, "accounts", events)
		n -= len(events)
	}
}
