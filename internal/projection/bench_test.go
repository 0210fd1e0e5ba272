package projection_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	checkpointpostgres "github.com/eventfeed/eventfeed/internal/checkpoint/postgres"
	checkpointsqlite "github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/projection/postgres"
	"github.com/eventfeed/eventfeed/internal/projection/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// fines keeps the state of each fine.
const fines = `
CREATE TABLE fines (id text PRIMARY KEY, amount numeric NOT NULL DEFAULT 0, penalty numeric NOT NULL DEFAULT 0, paid numeric NOT NULL DEFAULT 0, status text NOT NULL);
-- on FineCreated
INSERT INTO fines (id, amount, status) VALUES (:subject, CAST(:data->>'amount' AS numeric), :type);
-- on PenaltyAdded
UPDATE fines SET penalty = CAST(:data->>'amount' AS numeric), status = :type WHERE id = :subject;
-- on PaymentReceived
UPDATE fines SET paid = paid + CAST(:data->>'paymentAmount' AS numeric), status = :type WHERE id = :subject;
-- on FineSent, FineNotified, AppealToPrefectureDated, AppealToPrefectureSent, AppealResultReceived, AppealResultNotified, AppealedToJudge, SentForCreditCollection
UPDATE fines SET status = :type WHERE id = :subject;
`

// batchSize is about what an engine applies in one transaction.
const batchSize = 5000

// BenchmarkApply measures a projection beside the inbox, with the events of the
// file that EVENTFEED_BENCH_EVENTS names (CloudEvents, one a line, gzipped), or
// with made up ones.
func BenchmarkApply(b *testing.B) {
	events := benchEvents(b)
	p, err := projection.Parse("fines.sql", []byte(fines))
	must.OK(b, err)
	projected := func() checkpointpostgres.Sink { return postgres.New(p, "", false) }
	b.Run("postgres", func(b *testing.B) { benchPostgres(b, events, testdb.Postgres, projected) })
	b.Run("postgres-pooled", func(b *testing.B) {
		benchPostgres(b, events, func(t testing.TB) string { return testdb.Bouncer(t, testdb.Postgres(t)) }, projected)
	})
	b.Run("postgres-inbox", func(b *testing.B) {
		benchPostgres(b, events, testdb.Postgres, func() checkpointpostgres.Sink { return &checkpointpostgres.Inbox{} })
	})
	b.Run("sqlite", func(b *testing.B) {
		benchSQLite(b, events, func() checkpointsqlite.Sink { return sqlite.New(p, false) })
	})
	b.Run("sqlite-inbox", func(b *testing.B) {
		benchSQLite(b, events, func() checkpointsqlite.Sink { return &checkpointsqlite.Inbox{} })
	})
}

func benchPostgres(b *testing.B, events []event.Delivered, url func(testing.TB) string, sink func() checkpointpostgres.Sink) {
	pool, err := postgresdb.Open(b.Context(), url(b), 3)
	must.OK(b, err)
	defer pool.Close()
	bench(b, events, checkpointpostgres.Target{Pool: pool, NewSink: sink})
}

func benchSQLite(b *testing.B, events []event.Delivered, sink func() checkpointsqlite.Sink) {
	bench(b, events, checkpointsqlite.Target{Path: filepath.Join(b.TempDir(), "bench.db"), NewSink: sink})
}

// bench applies all events; one round is all of them.
func bench(b *testing.B, events []event.Delivered, into checkpoint.Target) {
	target := into.Open(false)
	defer target.Close()
	must.OK(b, target.Prepare(b.Context()))
	must.OK(b, target.Claim(b.Context(), "c"))
	first := checkpoint.Checkpoint{Consumer: "c", Feed: events[0].Feed, FeedID: events[0].FeedID}
	must.OK(b, target.Begin(b.Context(), checkpoint.Consumer{Name: "c"}, []checkpoint.Checkpoint{first}, true))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		for rest := events; len(rest) > 0; rest = rest[min(len(rest), batchSize):] {
			must.OK(b, target.Step(b.Context(), nil, func(tx checkpoint.Tx) error {
				_, err := tx.Apply(b.Context(), checkpoint.Batch{Consumer: "c", Events: rest[:min(len(rest), batchSize)]})
				return err
			}))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*len(events)), "us/event")
}

func benchEvents(b *testing.B) (events []event.Delivered) {
	path := os.Getenv("EVENTFEED_BENCH_EVENTS")
	if path == "" {
		for i := range int64(20_000) {
			events = append(events, at(i+1, []string{"FineCreated", "FineSent", "PenaltyAdded", "PaymentReceived"}[i%4], fmt.Sprint("f", i/4), `{"amount":12.5,"paymentAmount":3.25}`))
		}
		return events
	}
	file, err := os.Open(path)
	must.OK(b, err)
	defer func() { _ = file.Close() }()
	text, err := gzip.NewReader(file)
	must.OK(b, err)
	lines := bufio.NewReader(text)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events
		}
		must.OK(b, err)
		e, err := cloudevents.ParseJSON(line)
		must.OK(b, err)
		events = append(events, event.Delivered{Feed: "fines", FeedID: "f", Placed: event.Placed{Event: e, Position: int64(len(events) + 1)}})
	}
}
