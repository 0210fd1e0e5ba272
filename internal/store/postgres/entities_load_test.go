package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// load calls eventfeed.load and returns a line for each row: version, id and data, "S"
// before that of a snapshot.
func load(t *testing.T, db querier, call string, arguments ...any) string {
	t.Helper()
	rows, err := db.Query(t.Context(), `
		SELECT CASE WHEN l.is_snapshot THEN 'S' ELSE '' END || l.version || ' ' || l.id || ' ' || coalesce(convert_from(l.data, 'UTF8'), '')
		FROM eventfeed.load(`+call+`) l`, arguments...)
	must.OK(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must.OK(t, err)
	return strings.Join(lines, ", ")
}

func execute(t *testing.T, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// openHistory is openEntities with an entity a of five events: n is about year 2000+n,
// but for the fourth, which tells of the year before the third.
func openHistory(t *testing.T) (l *store.Log, writer, owner, loader *pgxpool.Pool) {
	t.Helper()
	l, writer, owner = openEntities(t)
	for n, year := range []int{2001, 2002, 2003, 2002, 2005} {
		execute(t, writer, fmt.Sprintf("SELECT eventfeed.append('e', 'T', 'a', '%d', id => 'a%d', occurred_at => '%d-06-01Z', dataschema => 'urn:x', extensions => '{\"x\": 1}')", n+1, n+1, year))
	}
	execute(t, writer, "SELECT eventfeed.append('e', 'T', 'b', '1', id => 'b1', source => '/other')")
	config := owner.Config().ConnString()
	return l, writer, owner, openPool(t, testdb.As(config, testdb.Entities))
}

func TestLoadGivesAnEntitysEventsInOrder(t *testing.T) {
	t.Parallel()
	l, _, _, loader := openHistory(t)
	for call, want := range map[string]string{
		"'e', 'a'":                            "1 a1 1, 2 a2 2, 3 a3 3, 4 a4 4, 5 a5 5",
		"'e', 'b'":                            "1 b1 1",
		"'e', 'none'":                         "",
		"'e', NULL":                           "",
		"'e', 'a', after => 3":                "4 a4 4, 5 a5 5",
		"'e', 'a', after => 5":                "",
		"'e', 'a', after => NULL":             "1 a1 1, 2 a2 2, 3 a3 3, 4 a4 4, 5 a5 5",
		"'e', 'a', up_to => 2":                "1 a1 1, 2 a2 2",
		"'e', 'a', up_to => 0":                "",
		"'e', 'a', after => 1, up_to => 3":    "2 a2 2, 3 a3 3",
		"'e', 'a', at_most => 2":              "1 a1 1, 2 a2 2",
		"'e', 'a', after => 2, at_most => 2":  "3 a3 3, 4 a4 4",
		"'e', 'a', after => 4, at_most => 2":  "5 a5 5",
		"'e', 'a', as_of => '2002-06-01Z'":    "1 a1 1, 2 a2 2, 4 a4 4",
		"'e', 'a', as_of => '2000-01-01Z'":    "",
		"'e', 'a', NULL, NULL, 0, NULL, NULL": "1 a1 1, 2 a2 2, 3 a3 3, 4 a4 4, 5 a5 5",
		"'e', 'a', NULL, NULL, 0, 9, NULL, 1": "1 a1 1",
		"feed => 'e', subject => 'b'":         "1 b1 1",
		"'e', 'a', as_of => '2002-06-01Z', at_most => 2, after => 1": "2 a2 2, 4 a4 4",
	} {
		if got := load(t, loader, call); got != want {
			t.Errorf("load(%s): %s, want %s", call, got, want)
		}
	}
	if got := load(t, loader, "$1, $2, after => $3, at_most => $4", "e", "a", 3, 1); got != "4 a4 4" {
		t.Errorf("with parameters: %s", got)
	}
	row := func() (all string) {
		must.OK(t, loader.QueryRow(t.Context(), `
			SELECT format('%s %s %s %s %s %s %s %s %s %s %s', l.position, l.recorded IS NOT NULL, l.id, l.source, l.type, l.time AT TIME ZONE 'UTC', l.datacontenttype, l.dataschema, l.extensions, convert_from(l.data, 'UTF8'), l.digest)
			FROM eventfeed.load('e', 'a', after => 4) l`).Scan(&all))
		return all
	}
	if got, want := row(), ` f a5 /e T 2005-06-01 00:00:00 application/json urn:x {"x": "1"} 5 `; got != want {
		t.Errorf("pending: %q, want %q", got, want)
	}
	storetest.Drain(t, l, "e")
	if got, want := row(), `5 t a5 /e T 2005-06-01 00:00:00 application/json urn:x {"x": "1"} 5 `; got != want {
		t.Errorf("placed: %q, want %q", got, want)
	}
}

// TestLoadSeesWhatItsTransactionHasAppended and nobody else does.
func TestLoadSeesWhatItsTransactionHasAppended(t *testing.T) {
	t.Parallel()
	_, _, owner, loader := openHistory(t)
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead} {
		tx, err := owner.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
		must.OK(t, err)
		_, err = tx.Exec(t.Context(), "SELECT eventfeed.append('e', 'T', 'a', '6', id => 'a6', expected_version => 5)")
		must.OK(t, err)
		if got := load(t, tx, "'e', 'a', after => 4"); got != "5 a5 5, 6 a6 6" {
			t.Errorf("%s: in the transaction: %s", level, got)
		}
		if got := load(t, loader, "'e', 'a', after => 4"); got != "5 a5 5" {
			t.Errorf("%s: outside: %s", level, got)
		}
		must.OK(t, tx.Rollback(t.Context()))
	}
}

func TestPositionOfAnEvent(t *testing.T) {
	t.Parallel()
	l, _, _, loader := openHistory(t)
	storetest.Create(t, l, "plain", 0)
	storetest.Append(t, l, "plain", storetest.Events(1, 2))
	position := func(arguments string) (p *int64, err error) {
		err = loader.QueryRow(t.Context(), "SELECT eventfeed.position("+arguments+")").Scan(&p)
		return p, err
	}
	for _, arguments := range []string{"'e', NULL, 'a2'", "'e', '', 'a2'", "'e', '/e', 'a2'", "'plain', '/test', '2'"} {
		if p, err := position(arguments); p != nil || err != nil {
			t.Errorf("%s: %v, %v, want NULL while it is pending", arguments, p, err)
		}
	}
	storetest.Drain(t, l, "e")
	storetest.Drain(t, l, "plain")
	for arguments, want := range map[string]int64{"'e', NULL, 'a2'": 2, "'e', '/other', 'b1'": 6, "'plain', '/test', '2'": 2, "feed => 'e', source => '/e', id => 'a5'": 5} {
		if p, err := position(arguments); err != nil || p == nil || *p != want {
			t.Errorf("%s: %v, %v, want %d", arguments, p, err, want)
		}
	}
	for _, arguments := range []string{"'e', NULL, 'b1'", "'e', NULL, 'none'", "'none', NULL, 'a1'", "'e', NULL, NULL"} {
		_, err := position(arguments)
		if refusal, is := errors.AsType[*pgconn.PgError](err); !is || refusal.Code != "P0002" {
			t.Errorf("%s: %v, want that there is no such event", arguments, err)
		}
	}
}

// save calls eventfeed.save_snapshot for entity a, and returns what it gave.
func save(t *testing.T, db interface {
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
}, arguments string) (saved bool) {
	t.Helper()
	must.OK(t, db.QueryRow(t.Context(), "SELECT eventfeed.save_snapshot('e', 'a', "+arguments+")").Scan(&saved))
	return saved
}

func TestLoadBeginsWithTheNewestSnapshotThatFits(t *testing.T) {
	t.Parallel()
	l, _, owner, loader := openHistory(t)
	const digest = `decode(repeat('ab', 32), 'hex')`
	for _, test := range []struct {
		arguments string
		want      bool
	}{
		{"'n', '1', 3, 'a3', NULL, 'three', " + digest, true},
		{"'n', '1', 3, 'a3', '/e', 'third'", true},                      // in its place
		{"'n', '1', 2, 'a2', '', 'two'", false},                         // older than the one that is there
		{"'n', '1', 4, 'a4', '', 'four'", true},                         //
		{"'n', '2', 2, 'a2', '', 'of another revision'", true},          //
		{"'m', '1', 5, 'a5', '', 'of another name'", true},              //
		{"'wrong', '1', 3, 'a4', '', 'another event than that'", false}, //
		{"'wrong', '1', 3, 'a3', '/x', 'of another source'", false},     //
		{"'wrong', '1', 6, 'a6', '', 'not there'", false},               //
		{"'wrong', '1', 0, '', '', 'nothing'", false},                   //
		{"'wrong', '1', NULL, NULL, NULL, 'nothing'", false},            //
	} {
		if saved := save(t, loader, test.arguments); saved != test.want {
			t.Errorf("save %s: %v, want %v", test.arguments, saved, test.want)
		}
	}
	for call, want := range map[string]string{
		"'e', 'a', 'n', '1'":                         "S4 a4 four, 5 a5 5",
		"'e', 'a', 'n', '2'":                         "S2 a2 of another revision, 3 a3 3, 4 a4 4, 5 a5 5",
		"'e', 'a', 'm', '1'":                         "S5 a5 of another name",
		"'e', 'a', 'n', '3'":                         "1 a1 1, 2 a2 2, 3 a3 3, 4 a4 4, 5 a5 5",
		"'e', 'a', 'n'":                              "1 a1 1, 2 a2 2, 3 a3 3, 4 a4 4, 5 a5 5",
		"'e', 'b', 'n', '1'":                         "1 b1 1",
		"'e', 'a', 'wrong', '1', up_to => 1":         "1 a1 1",
		"'e', 'a', 'n', '1', up_to => 4":             "S4 a4 four",
		"'e', 'a', 'n', '1', up_to => 3":             "1 a1 1, 2 a2 2, 3 a3 3",
		"'e', 'a', 'n', '2', at_most => 1":           "S2 a2 of another revision, 3 a3 3",
		"'e', 'a', 'n', '2', after => 3":             "4 a4 4, 5 a5 5",
		"'e', 'a', 'n', '1', as_of => '2002-06-01Z'": "1 a1 1, 2 a2 2, 4 a4 4",
		"snapshot_name => 'm', revision => '1', feed => 'e', subject => 'a'": "S5 a5 of another name",
	} {
		if got := load(t, loader, call); got != want {
			t.Errorf("load(%s): %s, want %s", call, got, want)
		}
	}
	var digests string
	must.OK(t, loader.QueryRow(t.Context(), "SELECT string_agg(coalesce(encode(l.digest, 'hex'), '-'), ' ') FROM eventfeed.load('e', 'a', 'm', '1') l").Scan(&digests))
	if digests != "-" {
		t.Errorf("digest %s of a snapshot without one", digests)
	}
	for _, arguments := range []string{"'', '1', 3, 'a3', NULL, 'x'", "repeat('x', 256), '1', 3, 'a3', NULL, 'x'", "'n', '', 3, 'a3', NULL, 'x'", "'n', '1', 5, 'a5', NULL, NULL", "'n', '1', 5, 'a5', NULL, 'x', 'short'"} {
		if _, err := loader.Exec(t.Context(), "SELECT eventfeed.save_snapshot('e', 'a', "+arguments+")"); err == nil {
			t.Errorf("save %s was done", arguments)
		}
	}
	execute(t, owner, "DELETE FROM eventfeed.snapshots")
	if got := load(t, loader, "'e', 'a', 'n', '1'"); got != "1 a1 1, 2 a2 2, 3 a3 3, 4 a4 4, 5 a5 5" {
		t.Errorf("without snapshots: %s", got)
	}
	storetest.Drain(t, l, "e")
	storetest.Verify(t, l, "e")
}

func TestSnapshotsOfARevisionAreListedBySubject(t *testing.T) {
	t.Parallel()
	_, writer, owner, loader := openHistory(t)
	for _, subject := range []string{"Z", "c", "ä"} {
		execute(t, writer, fmt.Sprintf("SELECT eventfeed.append('e', 'T', '%s', '1', id => '%[1]s1')", subject))
		execute(t, owner, fmt.Sprintf("SELECT eventfeed.save_snapshot('e', '%s', 'n', '1', 1, '%[1]s1', NULL, '')", subject))
	}
	for _, arguments := range []string{"'n', '1', 5, 'a5', NULL, ''", "'n', '2', 4, 'a4', NULL, ''", "'m', '1', 3, 'a3', NULL, ''"} {
		if !save(t, loader, arguments) {
			t.Fatalf("not saved: %s", arguments)
		}
	}
	for call, want := range map[string]string{
		"'e', 'n', '1'":               "Z 1, a 5, c 1, ä 1",
		"'e', 'n', '2'":               "a 4",
		"'e', 'm', '1'":               "a 3",
		"'e', 'm', '2'":               "",
		"'e', 'n', '1', at_most => 2": "Z 1, a 5",
		"'e', 'n', '1', after => 'a', at_most => 1":  "c 1",
		"'e', 'n', '1', after => 'c', at_most => 10": "ä 1",
		"'e', 'n' COLLATE \"C\", '1'":                "Z 1, a 5, c 1, ä 1",
	} {
		var got *string
		must.OK(t, loader.QueryRow(t.Context(), "SELECT string_agg(s.subject || ' ' || s.version, ', ') FROM eventfeed.snapshots("+call+") s").Scan(&got))
		if got == nil {
			got = new(string)
		}
		if *got != want {
			t.Errorf("snapshots(%s): %s, want %s", call, *got, want)
		}
	}
}

// TestSnapshotIsOfEventsThatAreThere: neither of some that another transaction has not
// committed, nor of ones that came to nothing and were replaced by others.
func TestSnapshotIsOfEventsThatAreThere(t *testing.T) {
	t.Parallel()
	_, _, owner, loader := openHistory(t)
	tx, err := owner.Begin(t.Context())
	must.OK(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	_, err = tx.Exec(t.Context(), "SELECT eventfeed.append('e', 'T', 'a', '6', id => 'a6')")
	must.OK(t, err)
	if save(t, loader, "'n', '1', 6, 'a6', NULL, 'six'") {
		t.Error("a snapshot was kept of an event that is not committed")
	}
	_, err = tx.Exec(t.Context(), "SAVEPOINT kept")
	must.OK(t, err)
	if !save(t, tx, "'n', '1', 6, 'a6', NULL, 'six'") {
		t.Error("the transaction itself sees the event")
	}
	if got := load(t, tx, "'e', 'a', 'n', '1'"); got != "S6 a6 six" {
		t.Errorf("in the transaction: %s", got)
	}
	must.OK(t, tx.Rollback(t.Context()))
	execute(t, owner, "SELECT eventfeed.append('e', 'T', 'a', '6', id => 'a6')")
	if got := load(t, loader, "'e', 'a', 'n', '1', after => 0, up_to => 6, at_most => 1"); got != "1 a1 1" {
		t.Errorf("after the rollback: %s", got)
	}
	// Left behind by a database that has lost the end of its history, and has another one now.
	execute(t, owner, "INSERT INTO eventfeed.snapshots (feed, subject, name, revision, version, insert_no, state) SELECT feed, 'a', 'n', '1', 6, -1, 'of a lost event' FROM eventfeed.feeds",
		"INSERT INTO eventfeed.snapshots (feed, subject, name, revision, version, insert_no, state) SELECT feed, 'a', 'm', '1', 9, -1, 'of a lost event' FROM eventfeed.feeds")
	for _, name := range []string{"n", "m"} {
		if got := load(t, loader, "'e', 'a', $1, '1', at_most => 1", name); got != "1 a1 1" {
			t.Errorf("snapshot %s: %s", name, got)
		}
		if !save(t, loader, "'"+name+"', '1', 5, 'a5', NULL, 'five'") {
			t.Errorf("snapshot %s of a lost event keeps the right one away", name)
		}
		if got := load(t, loader, "'e', 'a', $1, '1'", name); got != "S5 a5 five, 6 a6 6" {
			t.Errorf("snapshot %s: %s", name, got)
		}
	}
}

// TestSnapshotsOfOtherRevisionsGoAfterSevenDays, of that entity and name.
func TestSnapshotsOfOtherRevisionsGoAfterSevenDays(t *testing.T) {
	t.Parallel()
	_, _, owner, loader := openHistory(t)
	for _, arguments := range []string{"'n', 'old', 3, 'a3', NULL, ''", "'n', 'new', 3, 'a3', NULL, ''", "'other', 'old', 3, 'a3', NULL, ''", "'n', 'present', 3, 'a3', NULL, ''"} {
		if !save(t, loader, arguments) {
			t.Fatalf("not saved: %s", arguments)
		}
	}
	execute(t, owner, "SELECT eventfeed.save_snapshot('e', 'b', 'n', 'old', 1, 'b1', '/other', '')",
		"UPDATE eventfeed.snapshots SET taken = now() - interval '7 days 1 minute' WHERE revision IN ('old', 'present')",
		"UPDATE eventfeed.snapshots SET taken = now() - interval '6 days 23 hours' WHERE revision = 'new'")
	kept := func() (all string) {
		must.OK(t, owner.QueryRow(t.Context(), "SELECT string_agg(subject || ' ' || name || ' ' || revision, ', ' ORDER BY subject, name, revision) FROM eventfeed.snapshots").Scan(&all))
		return all
	}
	if save(t, loader, "'n', 'present', 9, 'a9', NULL, ''"); kept() != "a n new, a n old, a n present, a other old, b n old" {
		t.Errorf("after a snapshot that was not kept: %s", kept())
	}
	if save(t, loader, "'n', 'present', 4, 'a4', NULL, ''"); kept() != "a n new, a n present, a other old, b n old" {
		t.Errorf("kept: %s", kept())
	}
}

// TestFeedsWithoutEntitiesHaveNoVersions, nor do those that are being numbered.
func TestFeedsWithoutEntitiesHaveNoVersions(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	f := storetest.Create(t, l, "f", 0)
	storetest.Append(t, l, "f", storetest.Events(1, 3))
	pool := openPool(t, url)
	refused := func(code, message, hint, feed string) {
		t.Helper()
		for _, call := range []string{
			"version($1, '1')", "load($1, '1')", "load($1, '1', 'n', 'r')", "save_snapshot($1, '1', 'n', 'r', 1, '1', '/test', '')",
			"append($1, 'T', '1', '{}', expected_version => 1)",
		} {
			_, err := pool.Exec(t.Context(), "SELECT eventfeed."+call, feed)
			refusal, is := errors.AsType[*pgconn.PgError](err)
			if is && feed == "none" && strings.HasPrefix(call, "append") {
				hint = "create it with: feedserver create NAME"
			}
			if !is || refusal.Code != code || refusal.Message != message || refusal.Hint != hint {
				t.Errorf("%s: %+v, want %s %s", call, err, code, message)
			}
		}
	}
	refused("42704", "eventfeed: there is no feed 'none'", "create it with: feedserver create NAME --entities", "none")
	refused("55000", "eventfeed: feed f has no entities", "number its history with: feedserver entities f", "f")
	must.OK(t, l.Write(t.Context(), time.Minute, func(tx store.Tx) error { return tx.StartNumbering(t.Context(), f.Key) }))
	refused("55000", "eventfeed: the history of feed f is being numbered: its entities have no versions yet",
		"wait for this command, or run it again if it was stopped: feedserver entities f", "f")
	execute(t, pool, "SELECT eventfeed.append('f', 'T', '1', '{}')") // goes on
	storetest.GiveEntities(t, l, "f")
	if got := load(t, pool, "'f', '1'"); !strings.HasPrefix(got, "1 1 ") || !strings.Contains(got, ", 2 ") {
		t.Errorf("numbered: %s", got)
	}
}

// TestTransactionsThatBeganBeforeAFeedGotEntities either give versions or fail, so that
// they are repeated.
func TestTransactionsThatBeganBeforeAFeedGotEntities(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"one":     "SELECT eventfeed.append('e', 'T', 'a', '{}')",
		"several": "SELECT eventfeed.append_many('e', NULL, NULL, '{T,T}', '{a,b}', NULL, NULL, NULL, NULL, NULL)",
		"refused": "SELECT eventfeed.append_or_refuse('e', 'T', 'a', '', 'x/y', id => '7')",
	} {
		for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
			t.Run(fmt.Sprintf("%s, %s", name, level), func(t *testing.T) {
				t.Parallel()
				url := testdb.Postgres(t)
				l := storetest.Open(t, url)
				storetest.Create(t, l, "e", 0)
				writer := openPool(t, testdb.As(url, testdb.Writer))
				execute(t, writer, statement)
				tx, err := writer.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: level})
				must.OK(t, err)
				defer func() { _ = tx.Rollback(context.Background()) }()
				_, err = tx.Exec(t.Context(), "SELECT 1")
				must.OK(t, err)
				storetest.GiveEntities(t, l, "e")
				_, err = tx.Exec(t.Context(), strings.Replace(statement, "'7'", "'8'", 1))
				if level == pgx.ReadCommitted {
					must.OK(t, err)
					must.OK(t, tx.Commit(t.Context()))
				} else if refusal, is := errors.AsType[*pgconn.PgError](err); !is || refusal.Code != "40001" {
					t.Errorf("%v, want a serialization failure", err)
				}
				storetest.Drain(t, l, "e")
				storetest.Verify(t, l, "e")
			})
		}
	}
}

// TestAppendThatWaitsForAFeedToGetEntitiesGivesVersions: it has looked at the feed when
// it had none.
func TestAppendThatWaitsForAFeedToGetEntitiesGivesVersions(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"one":     "SELECT eventfeed.append('e', 'T', 'a', '{}', id => 'late')",
		"several": "SELECT eventfeed.append_many('e', '{late,b1}', NULL, '{T,T}', '{a,b}', NULL, NULL, NULL, NULL, NULL)",
		"again":   "SELECT eventfeed.append('e', 'T', 'a', '{}', id => 'a1')",
		"refused": "SELECT eventfeed.append_or_refuse('e', 'T', 'a', '', 'x/y', id => 'late')",
	} {
		for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead} {
			t.Run(fmt.Sprintf("%s, %s", name, level), func(t *testing.T) {
				t.Parallel()
				url := testdb.Postgres(t)
				l := storetest.Open(t, url)
				f := storetest.Create(t, l, "e", 0)
				writer, owner := openPool(t, testdb.As(url, testdb.Writer)), openPool(t, url)
				execute(t, writer, "SELECT eventfeed.append('e', 'T', 'a', '{}', id => 'a1')")
				storetest.Drain(t, l, "e")
				execute(t, writer, "SELECT eventfeed.append('e', 'T', 'a', '{}', id => 'a2')")
				must.OK(t, l.Write(t.Context(), time.Minute, func(tx store.Tx) error { return tx.StartNumbering(t.Context(), f.Key) }))
				var late <-chan error
				must.OK(t, l.Write(t.Context(), time.Minute, func(tx store.Tx) error {
					if err := tx.StopAppends(t.Context(), f.Key); err != nil {
						return err
					}
					late = blocked(t, writer, owner, level, statement)
					if _, _, err := tx.NumberPlaced(t.Context(), f.Key, 100); err != nil {
						return err
					}
					return tx.NumberPending(t.Context(), f.Key)
				}))
				err := <-late
				if refusal, is := errors.AsType[*pgconn.PgError](err); is && level == pgx.RepeatableRead && refusal.Code == "40001" {
					_, err = writer.Exec(t.Context(), statement)
				} else if level == pgx.RepeatableRead {
					t.Errorf("%v, want a serialization failure", err)
				}
				must.OK(t, err)
				storetest.Drain(t, l, "e")
				storetest.Verify(t, l, "e")
				want := int64(2 + strings.Count(statement, "late"))
				if version := versionOf(t, owner, "a"); version != want {
					t.Errorf("version %d, want %d", version, want)
				}
			})
		}
	}
}

// TestLoadReadsOnlyItsEntitysEvents, with the plan that a session keeps for all of them,
// whatever the statistics say.
func TestLoadReadsOnlyItsEntitysEvents(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.CreateWithEntities(t, storetest.Open(t, url), "e")
	super := testdb.As(url, "postgres")
	execute(t, openPool(t, super), `
		INSERT INTO eventfeed.events (feed, id, source, type, subject, time)
			SELECT 1, n, '/e', 'T', CASE WHEN n <= 200000 THEN 'large ' || n % 2 ELSE 'small ' || n % 10 END, now() FROM generate_series(1, 200500) n;
		INSERT INTO eventfeed.positions (feed, position, insert_no, digest, recorded)
			SELECT 1, insert_no, insert_no, decode(repeat('00', 32), 'hex'), now() FROM eventfeed.events;
		INSERT INTO eventfeed.entity_events (feed, subject, version, insert_no)
			SELECT 1, subject, row_number() OVER (PARTITION BY subject ORDER BY insert_no), insert_no FROM eventfeed.events;
		INSERT INTO eventfeed.entities (feed, subject, version) SELECT 1, subject, count(*) FROM eventfeed.events GROUP BY subject;
		ANALYZE`)
	config, err := pgx.ParseConfig(super)
	must.OK(t, err)
	var plans strings.Builder
	config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { plans.WriteString(notice.Message + "\n") }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must.OK(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on;
		SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off; SET client_min_messages = log; SET plan_cache_mode = force_generic_plan`)
	must.OK(t, err)
	for call, want := range map[string]int{
		"'e', 'small 1'":                                           50,
		"'e', 'large 1', after => 99950":                           50,
		"'e', 'large 0', after => 50000, at_most => 50":            50,
		"'e', 'large 0', at_most => 7":                             7,
		"'e', 'large 0', 'n', 'r', after => 50000, up_to => 50003": 3,
		"'e', 'large 1', as_of => now(), at_most => 5":             5,
	} {
		plans.Reset()
		rows, err := conn.Query(t.Context(), "SELECT version FROM eventfeed.load("+call+")")
		must.OK(t, err)
		versions, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		must.OK(t, err)
		if len(versions) != want {
			t.Errorf("load(%s): %d rows, want %d", call, len(versions), want)
		}
		_, plan, found := strings.Cut(plans.String(), "CROSS JOIN LATERAL")
		_, plan, _ = strings.Cut(plan, "\nLimit") // the text of the statement comes before it
		for _, bad := range []string{"Hash", "Merge", "Materialize", "Sort", "Bitmap", "Seq Scan on events", "Seq Scan on entity_events", "Seq Scan on positions"} {
			if strings.Contains(plan, bad) {
				t.Errorf("load(%s): the plan has a node %s:\n%s", call, bad, plan)
			}
		}
		if !found || !strings.Contains(plan, "Index Scan using events_pkey") || !strings.Contains(plan, fmt.Sprintf("loops=%d)", want)) {
			t.Errorf("load(%s): the plan does not look up %d events:\n%s", call, want, plans.String())
		}
	}
}
