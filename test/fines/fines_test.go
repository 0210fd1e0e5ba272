// Package fines_test builds a table by a projection, and compares it with a fold
// over the same events in plain Go. The events are those of traffic fines, from
// the first letter to collection: made here, or a file's where
// EVENTFEED_TEST_FINES names one.
package fines_test

import (
	"bytes"
	"database/sql"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/ingest"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

//go:embed fines.sql
var projection []byte

// fine is what a fine comes to, in cents.
type fine struct {
	amount, penalty, paid int64
	status                string
}

func TestProjectionAgreesWithAFold(t *testing.T) {
	t.Parallel()
	log := storetest.Open(t, testdb.SQLite(t))
	storetest.Create(t, log, "fines", 500)
	in, close := input(t)
	defer close()
	_, err := ingest.Append(t.Context(), log, "fines", in)
	must.OK(t, err)
	storetest.Drain(t, log, "fines")
	want := fold(t, storetest.Read(t, log, "fines"))
	from := servertest.Serve(t, log).URL + "/feeds/fines"

	text := seed.Projection{Name: "fines.sql", Text: projection, Strict: true}
	t.Run("sqlite", func(t *testing.T) {
		path := strings.TrimPrefix(testdb.SQLite(t), "sqlite:")
		into, err := seedsqlite.Open(path).Projection(text)
		must.OK(t, err)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{from}, Into: into}))
		compare(t, table(t, "sqlite", path), want)
	})
	t.Run("postgres", func(t *testing.T) {
		database := testdb.Postgres(t)
		pool, err := pgxpool.New(t.Context(), database)
		must.OK(t, err)
		defer pool.Close()
		into, err := seedpgx.Open(pool).Projection(text)
		must.OK(t, err)
		must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{from}, Into: into}))
		compare(t, table(t, "pgx", database), want)
	})
}

// fold is the projection, in Go.
func fold(t *testing.T, events []event.Placed) map[string]fine {
	t.Helper()
	fines := make(map[string]fine)
	for i := range events {
		e := &events[i]
		var data struct {
			Amount float64 `json:"amount"`
			Paid   float64 `json:"totalPaymentAmount"`
		}
		must.OK(t, json.Unmarshal(e.Data, &data))
		f := fines[e.Subject]
		switch e.Type {
		case "FineCreated":
			f = fine{amount: cents(data.Amount), paid: cents(data.Paid), status: "created"}
		case "PenaltyAdded":
			f.penalty, f.status = cents(data.Amount), "penalty"
		case "PaymentReceived":
			f.paid, f.status = cents(data.Paid), "paid"
		case "FineSent":
			f.status = "sent"
		case "FineNotified":
			f.status = "notified"
		case "SentForCreditCollection":
			f.status = "collection"
		default:
			f.status = "appeal"
		}
		fines[e.Subject] = f
	}
	return fines
}

func cents(amount float64) int64 {
	if amount < 0 {
		return int64(amount*100 - 0.5)
	}
	return int64(amount*100 + 0.5)
}

func table(t *testing.T, driver, database string) map[string]fine {
	t.Helper()
	if driver == "sqlite" {
		database = "file:" + (&url.URL{Path: database}).EscapedPath()
	}
	db, err := sql.Open(driver, database)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	rows, err := db.QueryContext(t.Context(), "SELECT id, amount, coalesce(penalty, 0), paid, status FROM fines")
	must.OK(t, err)
	defer func() { _ = rows.Close() }()
	fines := make(map[string]fine)
	for rows.Next() {
		var id string
		var f fine
		var amount, penalty, paid float64
		must.OK(t, rows.Scan(&id, &amount, &penalty, &paid, &f.status))
		f.amount, f.penalty, f.paid = cents(amount), cents(penalty), cents(paid)
		fines[id] = f
	}
	must.OK(t, rows.Err())
	return fines
}

func compare(t *testing.T, got, want map[string]fine) {
	t.Helper()
	if maps.Equal(got, want) && len(want) > 0 {
		t.Logf("%d fines agree", len(want))
		return
	}
	t.Errorf("the table has %d fines, want %d", len(got), len(want))
	shown := 0
	for id, f := range want {
		if got[id] != f && shown < 5 {
			shown++
			t.Errorf("fine %s is %+v, want %+v", id, got[id], f)
		}
	}
}

// input is the events, one a line.
func input(t *testing.T) (in ingest.Input, closeInput func()) {
	t.Helper()
	if path := os.Getenv("EVENTFEED_TEST_FINES"); path != "" {
		file, err := os.Open(path)
		must.OK(t, err)
		return ingest.Input{Name: path, Reader: file}, func() { _ = file.Close() }
	}
	return ingest.Input{Reader: history(2_000)}, func() {}
}

// history makes fines up that go on side by side, so that events of many stand
// between two of one, with amounts that binary fractions cannot hold.
func history(fines int) io.Reader {
	random := rand.New(rand.NewPCG(5, 5))
	steps := []string{"FineSent", "FineNotified", "PenaltyAdded", "PaymentReceived", "AppealedToJudge", "SentForCreditCollection"}
	var lines bytes.Buffer
	n := 0
	write := func(kind string, fine int, data string) {
		n++
		day := time.Date(2000, 1, 1+n/50, 0, 0, 0, 0, time.UTC)
		fmt.Fprintf(&lines, `{"specversion":"1.0","id":"%d","source":"/fines","type":"%s","subject":"F%d","time":"%s","datacontenttype":"application/json","data":%s}`+"\n",
			n, kind, fine, day.Format(time.RFC3339), data)
	}
	for fine := range fines {
		write("FineCreated", fine, fmt.Sprintf(`{"amount":%d.%02d,"totalPaymentAmount":0.0}`, random.IntN(500), random.IntN(100)))
		for range random.IntN(6) {
			write(steps[random.IntN(len(steps))], random.IntN(fine+1),
				fmt.Sprintf(`{"amount":%d.%d,"totalPaymentAmount":%d.%02d}`, random.IntN(900), random.IntN(10), random.IntN(900), random.IntN(100)))
		}
	}
	return &lines
}
