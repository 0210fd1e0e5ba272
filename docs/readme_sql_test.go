package docs_test

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/servertest"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedpgx"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// sqlOfREADME returns the blocks of SQL in the README and in publish.md: those for the database
// of the service that publishes, and the projections.
func sqlOfREADME(t *testing.T) (statements, projections []string) {
	t.Helper()
	for _, document := range []string{"../README.md", "publish.md"} {
		text, err := os.ReadFile(document)
		must.OK(t, err)
		for _, match := range regexp.MustCompile("(?s)\n```sql\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
			switch {
			case strings.Contains(match[1], "\n-- on "):
				projections = append(projections, match[1])
			case !strings.HasPrefix(match[1], "GRANT "): // which the writer of this test has
				statements = append(statements, match[1])
			}
		}
	}
	if len(statements) < 2 || len(projections) == 0 {
		t.Fatalf("the documents have %d blocks of SQL for the service that publishes and %d projections, want both", len(statements), len(projections))
	}
	return statements, projections
}

// appendCall finds in SQL the feed, type, subject and data of each event that it appends.
var appendCall = regexp.MustCompile(`eventfeed\.append(?:_bytes)?\('([^']*)', '([^']*)', '([^']*)', '([^']*)'`)

// TestSQLOfTheREADMEAppends runs it with the rights that the README grants: each event that it shows
// is in the feed then, as it is written there.
func TestSQLOfTheREADMEAppends(t *testing.T) {
	t.Parallel()
	statements, _ := sqlOfREADME(t)
	database := testdb.Postgres(t)
	log := storetest.Open(t, database)
	_, err := open(t, database).Exec(t.Context(), "GRANT CREATE ON SCHEMA public TO "+testdb.Writer) // as the owner of the service's tables
	must.OK(t, err)
	writer := open(t, testdb.As(database, testdb.Writer))
	want := map[string][]string{} // by feed
	for _, block := range statements {
		calls := appendCall.FindAllStringSubmatch(block, -1)
		if len(calls) == 0 {
			t.Errorf("a block of SQL appends nothing:\n%s", block)
		}
		for _, call := range calls {
			if want[call[1]] == nil {
				_, err := log.Create(t.Context(), store.Feed{Name: call[1]})
				must.OK(t, err)
			}
			data := call[4]
			if digits, isHex := strings.CutPrefix(data, `\x`); isHex {
				decoded, err := hex.DecodeString(digits)
				must.OK(t, err)
				data = string(decoded)
			}
			want[call[1]] = append(want[call[1]], fmt.Sprintf("%s %s %q", call[2], call[3], data))
		}
		_, err := writer.Exec(t.Context(), block)
		must.OK(t, err)
	}
	for feed, events := range want {
		storetest.Drain(t, log, feed)
		var got []string
		for _, e := range storetest.Read(t, log, feed) {
			got = append(got, fmt.Sprintf("%s %s %q", e.Type, e.Subject, e.Data))
		}
		if !slices.Equal(got, events) {
			t.Errorf("feed %s:\n%s\nwant:\n%s", feed, strings.Join(got, "\n"), strings.Join(events, "\n"))
		}
	}
}

// TestProjectionsOfTheREADMEFillTheirTable on both databases, from a feed that has each of their
// types and no other.
func TestProjectionsOfTheREADMEFillTheirTable(t *testing.T) {
	t.Parallel()
	_, projections := sqlOfREADME(t)
	log := storetest.Open(t, testdb.SQLite(t))
	storetest.Create(t, log, "orders", 2)
	var events []event.Event
	for n, e := range []struct{ kind, order, data string }{
		{"OrderCreated", "o-1", `{"customer":"Ada"}`},
		{"OrderCreated", "o-2", `{"customer":"Grace"}`},
		{"OrderPaid", "o-1", `{}`},
	} {
		events = append(events, event.Event{
			ID: fmt.Sprint(n), Source: "/shop", Type: e.kind, Subject: e.order, DataContentType: "application/json", Data: []byte(e.data),
		})
	}
	storetest.Append(t, log, "orders", events)
	storetest.Drain(t, log, "orders")
	orders := servertest.Serve(t, log).URL + "/feeds/orders"

	const query = "SELECT string_agg(order_id || ' ' || customer || ' ' || status, ', ' ORDER BY order_id) FROM shipments"
	const want = "o-1 Ada paid, o-2 Grace created"
	for i, text := range projections {
		projection := seed.Projection{Name: "README.md", Text: []byte(text), Strict: true}
		run := func(t *testing.T, target seed.Target, err error) {
			t.Helper()
			must.OK(t, err)
			must.OK(t, seed.Run(t.Context(), seed.Config{From: []string{orders}, Into: target}))
		}
		check := func(t *testing.T, row interface{ Scan(...any) error }) {
			t.Helper()
			var got string
			must.OK(t, row.Scan(&got))
			if got != want {
				t.Errorf("shipments: %s\nwant: %s", got, want)
			}
		}
		t.Run(fmt.Sprint(i+1, " on PostgreSQL"), func(t *testing.T) {
			t.Parallel()
			pool := open(t, testdb.Postgres(t))
			target, err := seedpgx.Open(pool).Projection(projection)
			run(t, target, err)
			check(t, pool.QueryRow(t.Context(), query))
		})
		t.Run(fmt.Sprint(i+1, " on SQLite"), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "shipping.db")
			target, err := seedsqlite.Open(path).Projection(projection)
			run(t, target, err)
			db, err := sql.Open("sqlite", path)
			must.OK(t, err)
			defer func() { must.OK(t, db.Close()) }()
			check(t, db.QueryRowContext(t.Context(), query))
		})
	}
}
