//go:build unix

package entities_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver
	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testcluster"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// newCluster starts a server that takes prepared transactions, and many connections.
func newCluster(t *testing.T) *testcluster.Cluster {
	t.Helper()
	c := testcluster.New(t)
	c.Configure(t, "max_prepared_transactions = 100\nmax_connections = 120")
	c.Start(t)
	c.MakeRoles(t)
	return c
}

// TestVersionsHoldWhateverHappensToWriters: 16 writers of four processes, two of which are
// killed, and a database that crashes.
func TestVersionsHoldWhateverHappensToWriters(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	l := storetest.Open(t, c.URL())
	startPublisher(t, l)
	c.Execute(t, tables)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, entities := range []int{1, 200, 10000} {
		if !t.Run(fmt.Sprint(entities, " entities"), func(t *testing.T) {
			c.Execute(t, fmt.Sprintf("TRUNCATE counters, done; INSERT INTO counters SELECT 'e' || n, 0 FROM generate_series(0, %d) n", entities-1))
			name := fmt.Sprintf("of-%d", entities)
			storetest.CreateWithEntities(t, l, name)
			j := job{Database: c.URL(), Feed: name, Entities: entities, Writers: 4, Transactions: scaled(25), Expecting: 6, Prepares: true, Seed: seed}
			r := newRecord()
			processes := map[string]*process{}
			begin := func(process string, transactions int) {
				j.Name, j.Transactions = process, transactions
				j.Seed++
				processes[process] = start(t, r, j)
			}
			for n := range 4 {
				begin(fmt.Sprint("p", n), j.Transactions)
			}
			for n := range 2 { // while they are at work: each has more to do than this
				r.waitFor(r.count() + scaled(30))
				killed := fmt.Sprint("p", n)
				processes[killed].kill(t)
				delete(processes, killed)
				endAllPrepared(t, c, killed)
				begin(fmt.Sprint("r", n), scaled(15))
			}
			r.waitFor(r.count() + scaled(10))
			c.Kill(t)
			c.Start(t)
			for _, p := range processes {
				p.wait(t)
			}
			check(t, l, "pgx", c.URL(), name, r)
		}) {
			return
		}
	}
}

// endAllPrepared ends what a killed process has left prepared, once the server has seen
// that it is gone.
func endAllPrepared(t *testing.T, c *testcluster.Cluster, process string) {
	t.Helper()
	db, err := sql.Open("pgx", c.URL())
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	eventually(t, "the server knows that "+process+" is gone", func() bool {
		// What waits for an entity would not notice; the prepared transactions are what it may wait for.
		must.OK(t, endPrepared(t.Context(), c.URL(), process+".%"))
		var left int
		must.OK(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", "writer "+process).Scan(&left))
		return left == 0
	})
	must.OK(t, endPrepared(t.Context(), c.URL(), process+".%"))
}

// check checks what must be so when all writers have ended.
func check(t *testing.T, l *store.Log, driver, database, name string, r *record) {
	t.Helper()
	storetest.Drain(t, l, name)
	position, _ := storetest.Verify(t, l, name)
	db, err := sql.Open(driver, database)
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	prefix := map[string]string{"pgx": "eventfeed.", "sqlite": "eventfeed_"}[driver]
	query := func(text string) (rows []string) {
		t.Helper()
		text = strings.ReplaceAll(text, "eventfeed.", prefix)
		found, err := db.QueryContext(t.Context(), text, name)
		must.OK(t, err)
		defer func() { _ = found.Close() }()
		for found.Next() {
			var row string
			must.OK(t, found.Scan(&row))
			rows = append(rows, row)
		}
		must.OK(t, found.Err())
		return rows
	}
	const feed = "(SELECT f.feed FROM eventfeed.feeds f WHERE f.name = $1)"
	for what, text := range map[string]string{
		"an update was lost":                         "SELECT c.entity || ': ' || c.n || ' counted, version ' || coalesce(n.version, 0) FROM counters c LEFT JOIN eventfeed.entities n ON n.subject = c.entity AND n.feed = " + feed + " WHERE c.n <> coalesce(n.version, 0)",
		"an event of a transaction that did not end": "SELECT e.id FROM eventfeed.events e WHERE e.feed = " + feed + " AND NOT EXISTS (SELECT 1 FROM done d WHERE d.id = e.id)",
		"a transaction whose event is not there":     "SELECT d.id FROM done d WHERE NOT EXISTS (SELECT 1 FROM eventfeed.events e WHERE e.id = d.id AND e.feed = " + feed + ")",
	} {
		if rows := query(text); len(rows) > 0 {
			t.Errorf("%s: %d times, such as %s", what, len(rows), rows[0])
		}
	}
	found := map[string]string{}
	for _, row := range query("SELECT e.id || ' ' || n.subject || ' ' || n.version FROM eventfeed.entity_events n JOIN eventfeed.events e ON e.insert_no = n.insert_no WHERE n.feed = " + feed) {
		id, rest, _ := strings.Cut(row, " ")
		found[id] = rest
	}
	expected := 0
	for id, event := range r.events {
		want := fmt.Sprint(event.subject, " ", event.expected+1)
		got, is := found[id]
		if event.expected < 0 {
			got, _, _ = strings.Cut(got, " ")
			want = event.subject
		} else {
			expected++
		}
		if !is || got != want {
			t.Errorf("event %s was committed at %s, is at %q", id, want, got)
		}
	}
	if expected == 0 || expected == len(r.events) || len(r.events) > len(found) {
		t.Errorf("%d events acknowledged, %d of them with expected versions, %d are there", len(r.events), expected, len(found))
	}
	t.Logf("%s: position %d, %d events acknowledged, %d with expected versions", name, position, len(r.events), expected)
}

// TestVersionsHoldWithSeveralProcessesOnSQLite, one of which is killed.
func TestVersionsHoldWithSeveralProcessesOnSQLite(t *testing.T) {
	t.Parallel()
	for _, entities := range []int{1, 200} {
		t.Run(fmt.Sprint(entities, " entities"), func(t *testing.T) {
			t.Parallel()
			url := testdb.SQLite(t)
			l := storetest.Open(t, url)
			startPublisher(t, l)
			storetest.CreateWithEntities(t, l, "f")
			path := strings.TrimPrefix(url, "sqlite:")
			db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
			must.OK(t, err)
			defer func() { _ = db.Close() }()
			for _, statement := range []string{
				tables, fmt.Sprintf("WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < %d) INSERT INTO counters SELECT 'e' || n, 0 FROM s", entities-1),
			} {
				_, err := db.ExecContext(context.Background(), statement)
				must.OK(t, err)
			}
			r := newRecord()
			j := job{Database: url, Feed: "f", Entities: entities, Writers: 2, Expecting: 6, Seed: rand.Uint64()}
			begin := func(name string, transactions int) *process {
				j.Name, j.Transactions = name, transactions
				j.Seed++
				return start(t, r, j)
			}
			one, two := begin("one", scaled(60)), begin("two", scaled(60))
			r.waitFor(scaled(30))
			two.kill(t)
			three := begin("three", scaled(30))
			one.wait(t)
			three.wait(t)
			check(t, l, "sqlite", path, "f", r)
		})
	}
}
