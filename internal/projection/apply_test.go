package projection_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/postgresdb"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/sink"
	"github.com/eventfeed/eventfeed/internal/sqlitedb"
	"github.com/eventfeed/eventfeed/internal/testdb"
)

// store is a database with a projection.
type store struct {
	t       testing.TB
	name    string
	setup   func() error
	prepare func() error
	apply   func(...event.Delivered) (sink.Outcome, error)
	// rows returns what a query gives, a line each, columns as text.
	rows func(query string) string
}

// options of a projection that is tested.
type options struct {
	schema string
	strict bool
}

// targets returns the projection on each kind of database.
func targets(t testing.TB, text string, o options) []*store {
	t.Helper()
	p, err := projection.Parse("test.sql", []byte(text))
	must(t, err)
	all := []*store{postgres(t, p, testdb.Postgres(t), o)}
	if o.schema == "" {
		all = append(all, sqlite(t, p, o))
	}
	return all
}

// set is the targets with the set-up done.
func set(t testing.TB, text string, o options) []*store {
	t.Helper()
	all := targets(t, text, o)
	for _, target := range all {
		must(t, target.setup())
		must(t, target.prepare())
	}
	return all
}

func postgres(t testing.TB, p *projection.Projection, url string, o options) *store {
	t.Helper()
	pool, err := postgresdb.Open(t.Context(), url, 2)
	must(t, err)
	t.Cleanup(pool.Close)
	conn, err := pool.Acquire(t.Context())
	must(t, err)
	t.Cleanup(conn.Release)
	return postgresOn(t, p, conn, o)
}

func postgresOn(t testing.TB, p *projection.Projection, conn *pgxpool.Conn, o options) *store {
	s := projection.NewPostgres(p, o.schema, o.strict)
	inTx := func(do func(pgx.Tx) error) error { return pgx.BeginFunc(t.Context(), conn, do) }
	return &store{
		t: t, name: "PostgreSQL",
		setup:   func() error { return inTx(func(tx pgx.Tx) error { return s.Setup(t.Context(), tx) }) },
		prepare: func() error { return inTx(func(tx pgx.Tx) error { return s.Prepare(t.Context(), tx) }) },
		apply: func(events ...event.Delivered) (outcome sink.Outcome, err error) {
			err = inTx(func(tx pgx.Tx) (err error) {
				outcome, err = s.Apply(t.Context(), tx, sink.Batch{Events: events})
				return err
			})
			return outcome, err
		},
		rows: func(query string) string {
			rows, err := conn.Query(t.Context(), query, pgx.QueryExecModeSimpleProtocol)
			must(t, err)
			lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
				var cells []string
				for _, cell := range row.RawValues() {
					if cell == nil {
						cells = append(cells, "NULL")
					} else {
						cells = append(cells, string(cell))
					}
				}
				return strings.Join(cells, "|"), nil
			})
			must(t, err)
			return strings.Join(lines, "\n")
		},
	}
}

func sqlite(t testing.TB, p *projection.Projection, o options) *store {
	t.Helper()
	db, err := sqlitedb.OpenWriter(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	s := projection.NewSQLite(p, o.strict)
	inTx := func(do func(*sql.Tx) error) error {
		tx, err := db.BeginTx(t.Context(), nil)
		must(t, err)
		if err := do(tx); err != nil {
			must(t, tx.Rollback())
			return err
		}
		return tx.Commit()
	}
	return &store{
		t: t, name: "SQLite",
		setup:   func() error { return inTx(func(tx *sql.Tx) error { return s.Setup(t.Context(), tx) }) },
		prepare: func() error { return inTx(func(tx *sql.Tx) error { return s.Prepare(t.Context(), tx) }) },
		apply: func(events ...event.Delivered) (outcome sink.Outcome, err error) {
			err = inTx(func(tx *sql.Tx) (err error) {
				outcome, err = s.Apply(t.Context(), tx, sink.Batch{Events: events})
				return err
			})
			return outcome, err
		},
		rows: func(query string) string { return strings.Join(sqliteRows(t, db, query), "\n") },
	}
}

func sqliteRows(t testing.TB, db *sql.DB, query string) (lines []string) {
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	must(t, err)
	for rows.Next() {
		cells, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			pointers[i] = &cells[i]
		}
		must(t, rows.Scan(pointers...))
		line := make([]string, len(cells))
		for i, cell := range cells {
			if line[i] = cell.String; !cell.Valid {
				line[i] = "NULL"
			}
		}
		lines = append(lines, strings.Join(line, "|"))
	}
	must(t, rows.Err())
	return lines
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// at returns an event of the feed orders.
func at(position int64, kind, subject, data string) event.Delivered {
	return event.Delivered{Feed: "orders", FeedID: "urn:uuid:1", Placed: event.Placed{Position: position, Event: event.Event{
		ID: fmt.Sprintf("id-%d", position), Source: "/shop", Type: kind, Subject: subject, Data: []byte(data),
		Time: time.Date(2024, 5, 1, 12, 0, int(position), 120_000, time.UTC),
	}}}
}

func live(e event.Delivered) event.Delivered {
	e.Live = true
	return e
}

// same fails if a query does not give the same, want, on all targets.
func same(t *testing.T, all []*store, query, want string) {
	t.Helper()
	for _, target := range all {
		if got := target.rows(query); got != want {
			t.Errorf("%s: %s\n%s\nwant:\n%s", target.name, query, got, want)
		}
	}
}

const shop = `
CREATE TABLE orders (id text PRIMARY KEY, status text NOT NULL, total numeric, changes integer NOT NULL DEFAULT 1);
CREATE TABLE mails (id text);

-- on OrderCreated
INSERT INTO orders (id, status, total) VALUES (:subject, 'created', CAST(:data->>'total' AS numeric));
-- on OrderPaid, OrderShipped
UPDATE orders SET status = :type, changes = changes + 1 WHERE id = :subject;
-- on OrderPaid live
INSERT INTO mails (id) VALUES (:subject);
-- on Noted
`

func TestTheSameFileGivesTheSameRowsOnBothDatabases(t *testing.T) {
	t.Parallel()
	all := set(t, shop, options{})
	for _, target := range all {
		outcome, err := target.apply(
			at(1, "OrderCreated", "o1", `{"total":1.25}`),
			at(2, "OrderPaid", "o1", ``),
			at(3, "OrderCreated", "o2", `{"total":null}`),
			at(4, "Noted", "", ``),
			at(5, "Unknown", "o2", ``),
			live(at(6, "OrderPaid", "o2", `{}`)),
			at(7, "OrderShipped", "o1", `{}`),
			at(8, "Unknown", "o2", ``),
			at(9, "OrderShipped", "nobody", ``),
		)
		must(t, err)
		if len(outcome.Skipped) != 1 || outcome.Skipped[sink.Kind{FeedID: "urn:uuid:1", Type: "Unknown"}] != 2 {
			t.Errorf("%s: skipped %v, want 2 of type Unknown", target.name, outcome.Skipped)
		}
	}
	same(t, all, "SELECT id, status, total, changes FROM orders ORDER BY id", "o1|OrderShipped|1.25|3\no2|OrderPaid|NULL|2")
	same(t, all, "SELECT * FROM mails", "o2")
}

func TestEveryAttributeIsAParameterAndNullWhereItIsAbsent(t *testing.T) {
	t.Parallel()
	const text = `
CREATE TABLE seen (feed text, position integer, id text, source text, type text, subject text, seen text, dataschema text, data text, bytes text, live text);
-- on A
INSERT INTO seen VALUES (:feed, :position, :id, :source, :type, :subject, CAST(:time AS text), :dataschema, CAST(:data AS text),
	upper(%s), CASE WHEN :live THEN 'news' ELSE 'history' END);
`
	full := at(1, "A", "s", `[1, "é"]`)
	full.DataSchema, full.Live = "urn:schema", true
	bare := event.Delivered{Feed: "orders", Placed: event.Placed{Position: 2, Event: event.Event{ID: "id-2", Source: "/shop", Type: "A"}}}
	for _, c := range []struct {
		hex, time string
		open      func(*projection.Projection) *store
	}{
		{"encode(:data_bytes, 'hex')", "2024-05-01 12:00:01.00012+00", func(p *projection.Projection) *store {
			return postgres(t, p, testdb.Postgres(t)+"&timezone=UTC", options{})
		}},
		{"CASE WHEN :data_bytes IS NOT NULL THEN hex(:data_bytes) END", "2024-05-01T12:00:01.000120Z", func(p *projection.Projection) *store { return sqlite(t, p, options{}) }},
	} {
		p, err := projection.Parse("test.sql", fmt.Appendf(nil, text, c.hex))
		must(t, err)
		target := c.open(p)
		must(t, target.setup())
		_, err = target.apply(full, bare)
		must(t, err)
		same(t, []*store{target}, "SELECT * FROM seen ORDER BY position",
			"orders|1|id-1|/shop|A|s|"+c.time+"|urn:schema|[1, \"é\"]|5B312C2022C3A9225D|news\n"+
				"orders|2|id-2|/shop|A|NULL|NULL|NULL|NULL|NULL|history")
	}
}

func TestAnEventsErrorNamesFileLineAndEventAndLeavesTheTransactionToRollBack(t *testing.T) {
	t.Parallel()
	const text = `CREATE TABLE a (id text PRIMARY KEY, data text);
-- on A
SELECT 1;
INSERT INTO a
VALUES (:id, CAST(:data AS text));
-- on B
INSERT INTO a VALUES ('id-1', '');
`
	for _, target := range set(t, text, options{}) {
		for _, c := range []struct {
			rule   string
			events []event.Delivered
			want   []string
		}{
			{"no JSON", []event.Delivered{at(1, "A", "", `{}`), at(2, "A", "", `by ship`), at(3, "A", "", `worse`)}, []string{"feed orders, position 2 (event id-2): ", "test.sql:4: INSERT INTO a VALUES (:id"}},
			{"a row that is there", []event.Delivered{at(1, "A", "", `{}`), at(2, "B", "", ``)}, []string{"position 2 (event id-2)", "test.sql:7: INSERT INTO a VALUES"}},
			{"a zero in JSON", []event.Delivered{at(1, "A", "", `{"a":"\u0000"}`)}, []string{"position 1 ", "test.sql:4"}},
			{"half a pair", []event.Delivered{at(1, "A", "", `{"a":"\ud800"}`)}, []string{"position 1 ", "test.sql:4"}},
			{"not UTF-8", []event.Delivered{at(1, "A", "", "\"\xff\"")}, []string{"position 1 ", "test.sql:4"}},
			{"far too deep", []event.Delivered{at(1, "A", "", strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000))}, []string{"position 1 ", "test.sql:4"}},
		} {
			_, err := target.apply(c.events...)
			failed, is := errors.AsType[*sink.EventError](err)
			if !is {
				t.Errorf("%s: %s: %v, want an EventError", target.name, c.rule, err)
				continue
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %s: %v, want %s", target.name, c.rule, err, want)
				}
			}
			if want := c.events[min(len(c.events)-1, 1)]; failed.Position != want.Position || failed.ID != want.ID || failed.Feed != "orders" {
				t.Errorf("%s: %s: event %+v, want %d", target.name, c.rule, failed, want.Position)
			}
			if !isOwn(err) {
				t.Errorf("%s: %s: %v is not the event's own", target.name, c.rule, err)
			}
			if got := target.rows("SELECT count(*) FROM a"); got != "0" {
				t.Errorf("%s: %s: %s rows stay", target.name, c.rule, got)
			}
		}
	}
}

// isOwn tells an event's own errors as the engine does.
func isOwn(err error) bool {
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) && (strings.HasPrefix(pg.SQLState(), "22") || strings.HasPrefix(pg.SQLState(), "23")) {
		return true
	}
	var lite interface{ Code() int }
	return errors.Is(err, sink.ErrOwn) || errors.As(err, &lite) && lite.Code()&0xff == 19
}

func TestDataThatIsNoJSONIsFineWhereNoStatementAsksForJSON(t *testing.T) {
	t.Parallel()
	all := set(t, "CREATE TABLE a (id text, n integer);\n-- on A\nINSERT INTO a VALUES (:id, length(:data_bytes))", options{})
	for _, target := range all {
		_, err := target.apply(at(1, "A", "", "\x00\xff"))
		must(t, err)
	}
	same(t, all, "SELECT * FROM a", "id-1|2")
}

func TestAStatementMayReturnRows(t *testing.T) {
	t.Parallel()
	all := set(t, "CREATE TABLE a (id text);\n-- on A\nWITH n AS (SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 3) SELECT * FROM n;\nINSERT INTO a VALUES (:id) RETURNING id, 1", options{})
	for _, target := range all {
		_, err := target.apply(at(1, "A", "", ""), at(2, "A", "", ""))
		must(t, err)
	}
	same(t, all, "SELECT id FROM a ORDER BY id", "id-1\nid-2")
}

func TestStrictRefusesTypesWithoutABlockAfterWhatCameBefore(t *testing.T) {
	t.Parallel()
	for _, target := range set(t, shop, options{strict: true}) {
		_, err := target.apply(at(1, "Noted", "", ""), at(2, "Unknown", "", ""))
		failed, is := errors.AsType[*sink.EventError](err)
		if !is || failed.Position != 2 || !strings.Contains(err.Error(), "test.sql has no block for type Unknown, which --strict refuses") || isOwn(err) {
			t.Errorf("%s: %v", target.name, err)
		}
		_, err = target.apply(at(1, "OrderCreated", "o", "no JSON"), at(2, "Unknown", "", ""))
		if failed, is := errors.AsType[*sink.EventError](err); !is || failed.Position != 1 {
			t.Errorf("%s: %v, want the error of the event before", target.name, err)
		}
	}
}

func TestManyEventsAreAppliedInOrder(t *testing.T) {
	t.Parallel()
	const n = 5000
	all := set(t, "CREATE TABLE a (subject text PRIMARY KEY, position integer, n integer);\n-- on A\n"+
		"INSERT INTO a VALUES (:subject, :position, 1) ON CONFLICT (subject) DO UPDATE SET position = excluded.position, n = a.n + 1 WHERE a.position < excluded.position", options{})
	var events []event.Delivered
	for i := range int64(n) {
		e := at(i+1, "A", fmt.Sprint("s", i%7), `{}`)
		if i%1000 == 0 {
			e.Data = []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
		}
		events = append(events, e)
	}
	for _, target := range all {
		_, err := target.apply(events...)
		must(t, err)
	}
	same(t, all, "SELECT count(*), sum(n), max(position) FROM a", "7|5000|5000")
	events[2600].Data = []byte("no JSON")
	for _, target := range set(t, "CREATE TABLE a (data text);\n-- on A\nINSERT INTO a VALUES (CAST(:data AS text))", options{}) {
		_, err := target.apply(events...)
		if failed, is := errors.AsType[*sink.EventError](err); !is || failed.Position != 2601 {
			t.Errorf("%s: %v, want the error of position 2601", target.name, err)
		}
		same(t, []*store{target}, "SELECT count(*) FROM a", "0")
	}
}

func TestWhatIsWrongWithAStatementIsSaidBeforeAnEventComes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, postgres, sqlite string }{
		{"-- on A\n\nINSERT INTO nowhere\nVALUES (:id)", `test.sql:3: INSERT INTO nowhere VALUES (:id): ERROR: relation "nowhere" does not exist`, "test.sql:3: INSERT INTO nowhere VALUES (:id): "},
		{"CREATE TABLE a (b int);\n-- on A\nINSERT INTO a (b)\nVALUES (\n:id)", `test.sql:5: INSERT INTO a (b) VALUES ( :id): ERROR: column "b" is of type integer but expression is of type text (SQLSTATE 42804); You will need to rewrite or cast the expression`, ""},
		{"-- on A\nSELECT 1;\nSELEKT", "test.sql:3: SELEKT: ERROR: syntax error", "test.sql:3: SELEKT: "},
		{"-- on A\nSELECT '{}' ? 'a'", "", "test.sql:2: SELECT '{}' ? 'a': ?: parameters are named"},
		{"-- on A\nSELECT @id", "operator does not exist|column \"id\" does not exist", "test.sql:2: SELECT @id: @id: parameters are named"},
	} {
		for _, target := range targets(t, strings.ReplaceAll(c.text, "'{}' ?", "CAST('{}' AS jsonb) ?"), options{}) {
			must(t, target.setup())
			want := c.postgres
			if target.name == "SQLite" {
				want = strings.ReplaceAll(c.sqlite, "'{}' ?", "CAST('{}' AS jsonb) ?")
			}
			err := target.prepare()
			ok := want == "" && err == nil
			for one := range strings.SplitSeq(want, "|") {
				ok = ok || want != "" && err != nil && strings.Contains(err.Error(), one)
			}
			if !ok {
				t.Errorf("%s: %q: %v, want %s", target.name, c.text, err, want)
			}
		}
	}
}

func TestTheErrorOfASetUpNamesItsLine(t *testing.T) {
	t.Parallel()
	for _, target := range targets(t, "CREATE TABLE a (b int);\nCREATE INDEX\nc ON a (\n\nd)", options{}) {
		err := target.setup()
		if err == nil || !strings.Contains(err.Error(), "test.sql:2: CREATE INDEX c ON a ( d): ") {
			t.Errorf("%s: %v", target.name, err)
		}
		if got := target.rows("SELECT 1"); got != "1" {
			t.Errorf("%s: %s", target.name, got)
		}
	}
}

func TestSetUpsHoldFunctionsAndTriggers(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"PostgreSQL": `
CREATE TABLE a (id text, n integer);
CREATE FUNCTION note(id text, data jsonb) RETURNS void LANGUAGE plpgsql AS $f$
DECLARE n integer := 0;
BEGIN
	n := (data->>'n')::integer;
	INSERT INTO a VALUES (id, n);
END $f$;
CREATE FUNCTION twice(n integer) RETURNS integer BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN 2 * n END; END;
-- on A
SELECT note(:id, :data);
UPDATE a SET n = twice(n);`,
		"SQLite": `
CREATE TABLE a (id text, n integer);
CREATE TRIGGER twice AFTER INSERT ON a BEGIN
	UPDATE a SET n = CASE WHEN n > 0 THEN 2 * n END WHERE id = new.id;
	SELECT 1;
END;
-- on A
INSERT INTO a VALUES (:id, :data->>'n');`,
	} {
		if name == "PostgreSQL" && serverVersion(t) < 140000 {
			text = strings.Replace(text, "BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN 2 * n END; END", "LANGUAGE sql AS 'SELECT 2 * n'", 1)
		}
		for _, target := range targets(t, text, options{}) {
			if target.name != name {
				continue
			}
			must(t, target.setup())
			must(t, target.prepare())
			_, err := target.apply(at(1, "A", "", `{"n":21}`))
			must(t, err)
			same(t, []*store{target}, "SELECT * FROM a", "id-1|42")
		}
	}
}

func serverVersion(t *testing.T) (n int) {
	conn, err := pgx.Connect(t.Context(), os.Getenv("EVENTFEED_TEST_POSTGRES"))
	must(t, err)
	must(t, conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int").Scan(&n))
	must(t, conn.Close(context.Background()))
	return n
}

func TestWithASchemaAllOfItHappensThere(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	pool, err := postgresdb.Open(t.Context(), url, 2)
	must(t, err)
	t.Cleanup(pool.Close)
	conn, err := pool.Acquire(t.Context())
	must(t, err)
	t.Cleanup(conn.Release)
	p, err := projection.Parse("test.sql", []byte(shop))
	must(t, err)
	for _, schema := range []string{"", "v2", `odd "name"; --`} {
		target := postgresOn(t, p, conn, options{schema: schema})
		must(t, target.setup())
		must(t, target.prepare())
		must(t, target.prepare()) // as after the consumer was claimed again
		_, err := target.apply(at(1, "OrderCreated", "o1", `{}`))
		must(t, err)
		_, err = target.apply(at(2, "OrderPaid", "o1", `{}`))
		must(t, err)
	}
	got := postgresOn(t, p, conn, options{})
	same(t, []*store{got}, `SELECT changes, (SELECT changes FROM v2.orders), (SELECT changes FROM "odd ""name""; --".orders), current_schema() FROM orders`, "2|2|2|public")
}

// A table of another build must not be taken for one's own.
func TestWithASchemaNothingElseIsSearched(t *testing.T) {
	t.Parallel()
	target := targets(t, "-- on A\nDELETE FROM there", options{schema: "v2"})[0]
	target.rows("CREATE TABLE there ()")
	must(t, target.setup())
	if err := target.prepare(); err == nil || !strings.Contains(err.Error(), `relation "there" does not exist`) {
		t.Errorf("%v, want that there is no such table", err)
	}
}

func TestBehindAPoolerNothingStaysPrepared(t *testing.T) {
	t.Parallel()
	p, err := projection.Parse("test.sql", []byte(shop))
	must(t, err)
	target := postgres(t, p, testdb.Bouncer(t, testdb.Postgres(t)), options{schema: "v2"})
	must(t, target.setup())
	must(t, target.prepare())
	for i := range int64(20) {
		_, err := target.apply(at(2*i+1, "OrderCreated", fmt.Sprint(i), `{"total": 1}`), at(2*i+2, "OrderPaid", fmt.Sprint(i), ``))
		must(t, err)
	}
	_, err = target.apply(at(41, "OrderPaid", "1", `{}`), at(42, "OrderCreated", "1", `{}`), at(43, "OrderShipped", "1", `{}`))
	if failed, is := errors.AsType[*sink.EventError](err); !is || failed.Position != 42 {
		t.Errorf("%v, want an EventError of position 42", err)
	}
	same(t, []*store{target}, "SELECT count(*), sum(changes), (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'eventfeed%') FROM v2.orders", "20|40|0")
}

// What is parked is played again event by event, each in a savepoint.
func TestAFailedEventCanBeRolledBackAlone(t *testing.T) {
	t.Parallel()
	p, err := projection.Parse("test.sql", []byte("CREATE TABLE a (id text, n numeric NOT NULL);\n-- on A\nINSERT INTO a VALUES (:id, CAST(:data->>'n' AS numeric));"))
	must(t, err)
	events := []event.Delivered{at(1, "A", "", `{"n":1}`), at(2, "A", "", `{}`), at(3, "A", "", `no JSON`), at(4, "A", "", `{"n":4}`)}
	failed := func(position int64, err error) {
		t.Helper()
		of, is := errors.AsType[*sink.EventError](err)
		if bad := position == 2 || position == 3; bad != is || is && of.Position != position || !is && err != nil {
			t.Errorf("position %d: %v", position, err)
		}
	}

	pool, err := postgresdb.Open(t.Context(), testdb.Postgres(t), 2)
	must(t, err)
	t.Cleanup(pool.Close)
	onPostgres := projection.NewPostgres(p, "", false)
	must(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		must(t, onPostgres.Setup(t.Context(), tx))
		for _, e := range events {
			failed(e.Position, pgx.BeginFunc(t.Context(), tx, func(savepoint pgx.Tx) error {
				_, err := onPostgres.Apply(t.Context(), savepoint, sink.Batch{Events: []event.Delivered{e}})
				return err
			}))
		}
		return nil
	}))
	var sum int
	must(t, pool.QueryRow(t.Context(), "SELECT sum(n)::int FROM a").Scan(&sum))

	db, err := sqlitedb.OpenWriter(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	must(t, err)
	defer func() { must(t, db.Close()) }()
	onSQLite := projection.NewSQLite(p, false)
	tx, err := db.BeginTx(t.Context(), nil)
	must(t, err)
	must(t, onSQLite.Setup(t.Context(), tx))
	for _, e := range events {
		_, err := tx.ExecContext(t.Context(), "SAVEPOINT s")
		must(t, err)
		_, err = onSQLite.Apply(t.Context(), tx, sink.Batch{Events: []event.Delivered{e}})
		failed(e.Position, err)
		if err != nil {
			_, err = tx.ExecContext(t.Context(), "ROLLBACK TO s")
			must(t, err)
		}
		_, err = tx.ExecContext(t.Context(), "RELEASE s")
		must(t, err)
	}
	must(t, tx.Commit())
	if got := sqliteRows(t, db, "SELECT sum(n) FROM a"); sum != 5 || got[0] != "5" {
		t.Errorf("the rows have %d and %s, want 5", sum, got[0])
	}
}

func TestAnErrorThatIsNoEventsIsNotCalledOne(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE a (id text);\n-- on A\nINSERT INTO a VALUES (:id);\n-- on B\nSELECT pg_sleep(60)"
	p, err := projection.Parse("test.sql", []byte(text))
	must(t, err)
	pool, err := postgresdb.Open(t.Context(), testdb.Postgres(t), 2)
	must(t, err)
	t.Cleanup(pool.Close)
	s := projection.NewPostgres(p, "", false)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var events []event.Delivered
	for i := range int64(3000) {
		events = append(events, at(i+1, "A", "", ""))
	}
	events[10].Type = "B"
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		must(t, s.Setup(ctx, tx))
		_, err := s.Apply(ctx, tx, sink.Batch{Events: events})
		return err
	})
	if _, is := errors.AsType[*sink.EventError](err); is || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want that the time is up", err)
	}
	must(t, pool.Ping(t.Context()))
}
