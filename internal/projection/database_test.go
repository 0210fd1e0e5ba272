package projection_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/projection/postgres"
	"github.com/eventfeed/eventfeed/internal/projection/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

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
			must.OK(t, target.setup())
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
	for _, target := range targets(t, "CREATE TABLE a (b int);\nCREATE INDEX\nc ON a (\n\nd);\n-- on A", options{}) {
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
			must.OK(t, target.setup())
			must.OK(t, target.prepare())
			_, err := target.apply(at(1, "A", "", `{"n":21}`))
			must.OK(t, err)
			same(t, []*store{target}, "SELECT * FROM a", "id-1|42")
		}
	}
}

func TestWithASchemaAllOfItHappensThere(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	pool, err := postgresdb.Open(t.Context(), url, 2)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	conn, err := pool.Acquire(t.Context())
	must.OK(t, err)
	t.Cleanup(conn.Release)
	p, err := projection.Parse("test.sql", []byte(shop))
	must.OK(t, err)
	for _, schema := range []string{"", "v2", `odd "name"; --`} {
		target := postgresOn(t, p, conn, options{schema: schema})
		must.OK(t, target.setup())
		must.OK(t, target.prepare())
		must.OK(t, target.prepare()) // as after the consumer was claimed again
		_, err := target.apply(at(1, "OrderCreated", "o1", `{}`))
		must.OK(t, err)
		_, err = target.apply(at(2, "OrderPaid", "o1", `{}`))
		must.OK(t, err)
	}
	got := postgresOn(t, p, conn, options{})
	same(t, []*store{got}, `SELECT changes, (SELECT changes FROM v2.orders), (SELECT changes FROM "odd ""name""; --".orders), current_schema() FROM orders`, "2|2|2|public")
}

// A table of another build must not be taken for one's own.
func TestWithASchemaNothingElseIsSearched(t *testing.T) {
	t.Parallel()
	target := targets(t, "-- on A\nDELETE FROM there", options{schema: "v2"})[0]
	target.rows("CREATE TABLE there ()")
	must.OK(t, target.setup())
	if err := target.prepare(); err == nil || !strings.Contains(err.Error(), `relation "there" does not exist`) {
		t.Errorf("%v, want that there is no such table", err)
	}
}

func TestBehindAPoolerNothingStaysPrepared(t *testing.T) {
	t.Parallel()
	p, err := projection.Parse("test.sql", []byte(shop))
	must.OK(t, err)
	target := onPostgres(t, p, testdb.Bouncer(t, testdb.Postgres(t)), options{schema: "v2"})
	must.OK(t, target.setup())
	must.OK(t, target.prepare())
	for i := range int64(20) {
		_, err := target.apply(at(2*i+1, "OrderCreated", fmt.Sprint(i), `{"total": 1}`), at(2*i+2, "OrderPaid", fmt.Sprint(i), ``))
		must.OK(t, err)
	}
	_, err = target.apply(at(41, "OrderPaid", "1", `{}`), at(42, "OrderCreated", "1", `{}`), at(43, "OrderShipped", "1", `{}`))
	if failed, is := errors.AsType[*checkpoint.EventError](err); !is || failed.Position != 42 {
		t.Errorf("%v, want an EventError of position 42", err)
	}
	same(t, []*store{target}, "SELECT count(*), sum(changes), (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'eventfeed%') FROM v2.orders", "20|40|0")
}

// What is parked is played again event by event, each in a savepoint.
func TestAFailedEventCanBeRolledBackAlone(t *testing.T) {
	t.Parallel()
	p, err := projection.Parse("test.sql", []byte("CREATE TABLE a (id text, n numeric NOT NULL);\n-- on A\nINSERT INTO a VALUES (:id, CAST(:data->>'n' AS numeric));"))
	must.OK(t, err)
	events := []event.Delivered{at(1, "A", "", `{"n":1}`), at(2, "A", "", `{}`), at(3, "A", "", `no JSON`), at(4, "A", "", `{"n":4}`)}
	failed := func(position int64, err error) {
		t.Helper()
		of, is := errors.AsType[*checkpoint.EventError](err)
		if bad := position == 2 || position == 3; bad != is || is && of.Position != position || !is && err != nil {
			t.Errorf("position %d: %v", position, err)
		}
	}

	pool, err := postgresdb.Open(t.Context(), testdb.Postgres(t), 2)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	onPostgres := postgres.New(p, "", false)
	must.OK(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		must.OK(t, onPostgres.Setup(t.Context(), tx))
		for _, e := range events {
			failed(e.Position, pgx.BeginFunc(t.Context(), tx, func(savepoint pgx.Tx) error {
				_, err := onPostgres.Apply(t.Context(), savepoint, checkpoint.Batch{Events: []event.Delivered{e}})
				return err
			}))
		}
		return nil
	}))
	var sum int
	must.OK(t, pool.QueryRow(t.Context(), "SELECT sum(n)::int FROM a").Scan(&sum))

	db, err := sqlitedb.OpenWriter(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	onSQLite := sqlite.New(p, false)
	tx, err := db.BeginTx(t.Context(), nil)
	must.OK(t, err)
	must.OK(t, onSQLite.Setup(t.Context(), tx))
	for _, e := range events {
		_, err := tx.ExecContext(t.Context(), "SAVEPOINT s")
		must.OK(t, err)
		_, err = onSQLite.Apply(t.Context(), tx, checkpoint.Batch{Events: []event.Delivered{e}})
		failed(e.Position, err)
		if err != nil {
			_, err = tx.ExecContext(t.Context(), "ROLLBACK TO s")
			must.OK(t, err)
		}
		_, err = tx.ExecContext(t.Context(), "RELEASE s")
		must.OK(t, err)
	}
	must.OK(t, tx.Commit())
	if got := sqliteRows(t, db, "SELECT sum(n) FROM a"); sum != 5 || got[0] != "5" {
		t.Errorf("the rows have %d and %s, want 5", sum, got[0])
	}
}

func TestAnErrorThatIsNoEventsIsNotCalledOne(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE a (id text);\n-- on A\nINSERT INTO a VALUES (:id);\n-- on B\nSELECT pg_sleep(60)"
	p, err := projection.Parse("test.sql", []byte(text))
	must.OK(t, err)
	pool, err := postgresdb.Open(t.Context(), testdb.Postgres(t), 2)
	must.OK(t, err)
	t.Cleanup(pool.Close)
	s := postgres.New(p, "", false)
	var events []event.Delivered
	for i := range int64(3000) {
		events = append(events, at(i+1, "A", "", ""))
	}
	events[10].Type = "B"
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		must.OK(t, s.Setup(t.Context(), tx))
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := s.Apply(ctx, tx, checkpoint.Batch{Events: events})
		return err
	})
	if _, is := errors.AsType[*checkpoint.EventError](err); is || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want that the time is up", err)
	}
	must.OK(t, pool.Ping(t.Context()))
}

// SQLite calls such JSON malformed, as it does a statement that is wrong.
func TestJSONThatIsTooDeepForSQLiteIsTheEventsOwnError(t *testing.T) {
	t.Parallel()
	deep := func(levels int) event.Delivered {
		return at(1, "A", "", strings.Repeat("[", levels)+strings.Repeat("]", levels))
	}
	target := set(t, "CREATE TABLE a (data text);\n-- on A\nINSERT INTO a VALUES (:data->>'$')", options{})[1]
	if _, err := target.apply(deep(1001)); !isOwn(err) {
		t.Errorf("%v, want an error of the event's own", err)
	}
	_, err := target.apply(deep(1000))
	must.OK(t, err)
}

func TestASchemaThatIsThereIsTaken(t *testing.T) {
	t.Parallel()
	target := targets(t, shop, options{schema: "there"})[0]
	target.rows("CREATE SCHEMA there")
	must.OK(t, target.setup())
	same(t, []*store{target}, "SELECT count(*) FROM there.orders", "0")
}
