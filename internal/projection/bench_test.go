package projection_test

import (
	"bufio"
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	checkpointpostgres "github.com/eventfeed/eventfeed/internal/checkpoint/postgres"
	checkpointsqlite "github.com/eventfeed/eventfeed/internal/checkpoint/sqlite"
	"github.com/eventfeed/eventfeed/internal/cloudevents"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
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
	b.Run("postgres", func(b *testing.B) {
		benchPostgres(b, events, testdb.Postgres, postgres.New(p, "", false))
	})
	b.Run("postgres-pooled", func(b *testing.B) {
		benchPostgres(b, events, func(t testing.TB) string { return testdb.Bouncer(t, testdb.Postgres(t)) }, postgres.New(p, "", false))
	})
	b.Run("postgres-inbox", func(b *testing.B) { benchPostgres(b, events, testdb.Postgres, checkpointpostgres.Inbox{}) })
	b.Run("sqlite", func(b *testing.B) { benchSQLite(b, events, sqlite.New(p, false)) })
	b.Run("sqlite-inbox", func(b *testing.B) { benchSQLite(b, events, checkpointsqlite.Inbox{}) })
}

func benchPostgres(b *testing.B, events []event.Delivered, url func(testing.TB) string, s checkpointpostgres.Sink) {
	pool, err := postgresdb.Open(b.Context(), url(b), 2)
	must.OK(b, err)
	defer pool.Close()
	must.OK(b, checkpointpostgres.Target{Pool: pool, NewSink: func() checkpointpostgres.Sink { return checkpointpostgres.Inbox{} }}.Open(false).Prepare(b.Context()))
	conn, err := pool.Acquire(b.Context())
	must.OK(b, err)
	defer conn.Release()
	must.OK(b, pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error { return s.Setup(b.Context(), tx) }))
	bench(b, events, func(batch checkpoint.Batch) error {
		return pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error {
			_, err := s.Apply(b.Context(), tx, batch)
			return err
		})
	})
}

func benchSQLite(b *testing.B, events []event.Delivered, s checkpointsqlite.Sink) {
	path := filepath.Join(b.TempDir(), "bench.db")
	db, err := sqlitedb.OpenWriter(b.Context(), path)
	must.OK(b, err)
	defer func() { must.OK(b, db.Close()) }()
	inbox := checkpointsqlite.Target{Path: path, NewSink: func() checkpointsqlite.Sink { return checkpointsqlite.Inbox{} }}.Open(false)
	must.OK(b, inbox.Prepare(b.Context()))
	inbox.Close()
	inTx := func(do func(*sql.Tx) error) error {
		tx, err := db.BeginTx(b.Context(), nil)
		must.OK(b, err)
		must.OK(b, do(tx))
		return tx.Commit()
	}
	must.OK(b, inTx(func(tx *sql.Tx) error { return s.Setup(b.Context(), tx) }))
	bench(b, events, func(batch checkpoint.Batch) error {
		return inTx(func(tx *sql.Tx) error {
			_, err := s.Apply(b.Context(), tx, batch)
			return err
		})
	})
}

// bench applies all events; one round is all of them.
func bench(b *testing.B, events []event.Delivered, apply func(checkpoint.Batch) error) {
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		for rest := events; len(rest) > 0; rest = rest[min(len(rest), batchSize):] {
			must.OK(b, apply(checkpoint.Batch{Consumer: "c", Events: rest[:min(len(rest), batchSize)]}))
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
