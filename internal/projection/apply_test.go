package projection_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

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
		must.OK(t, err)
		if len(outcome.Skipped) != 1 || outcome.Skipped[checkpoint.FeedType{FeedID: "urn:uuid:1", Type: "Unknown"}] != 2 {
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
			return onPostgres(t, p, testdb.Postgres(t)+"&timezone=UTC", options{})
		}},
		{"CASE WHEN :data_bytes IS NOT NULL THEN hex(:data_bytes) END", "2024-05-01T12:00:01.000120Z", func(p *projection.Projection) *store { return onSQLite(t, p, options{}) }},
	} {
		p, err := projection.Parse("test.sql", fmt.Appendf(nil, text, c.hex))
		must.OK(t, err)
		target := c.open(p)
		must.OK(t, target.setup())
		_, err = target.apply(full, bare)
		must.OK(t, err)
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
			failed, is := errors.AsType[*checkpoint.EventError](err)
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

func TestDataThatIsNoJSONIsFineWhereNoStatementAsksForJSON(t *testing.T) {
	t.Parallel()
	all := set(t, "CREATE TABLE a (id text, n integer);\n-- on A\nINSERT INTO a VALUES (:id, length(:data_bytes))", options{})
	for _, target := range all {
		_, err := target.apply(at(1, "A", "", "\x00\xff"))
		must.OK(t, err)
	}
	same(t, all, "SELECT * FROM a", "id-1|2")
}

func TestAStatementMayReturnRows(t *testing.T) {
	t.Parallel()
	all := set(t, "CREATE TABLE a (id text);\n-- on A\nWITH n AS (SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 3) SELECT * FROM n;\nINSERT INTO a VALUES (:id) RETURNING id, 1", options{})
	for _, target := range all {
		_, err := target.apply(at(1, "A", "", ""), at(2, "A", "", ""))
		must.OK(t, err)
	}
	same(t, all, "SELECT id FROM a ORDER BY id", "id-1\nid-2")
}

func TestStrictRefusesTypesWithoutABlockAfterWhatCameBefore(t *testing.T) {
	t.Parallel()
	for _, target := range set(t, shop, options{strict: true}) {
		_, err := target.apply(at(1, "Noted", "", ""), at(2, "Unknown", "", ""))
		failed, is := errors.AsType[*checkpoint.EventError](err)
		if !is || failed.Position != 2 || !strings.Contains(err.Error(), "test.sql has no block for type Unknown, which --strict refuses") || isOwn(err) {
			t.Errorf("%s: %v", target.name, err)
		}
		_, err = target.apply(at(1, "OrderCreated", "o", "no JSON"), at(2, "Unknown", "", ""))
		if failed, is := errors.AsType[*checkpoint.EventError](err); !is || failed.Position != 1 {
			t.Errorf("%s: %v, want the error of the event before", target.name, err)
		}
	}
}

func TestStrictRefusesADataSchemaThatABlockIsNotWrittenFor(t *testing.T) {
	t.Parallel()
	const text = "CREATE TABLE a (id text);\n-- on A, B\n-- dataschema urn:1 urn:2\nINSERT INTO a VALUES (:id);\n-- on B live\n-- dataschema none\n-- on C\n-- on A\n"
	with := func(position int64, kind, schema string) event.Delivered {
		e := at(position, kind, "", "")
		e.DataSchema = schema
		return e
	}
	good := []event.Delivered{with(1, "A", "urn:1"), with(2, "A", "urn:2"), with(3, "C", "urn:any"), with(4, "C", "")}
	for _, c := range []struct {
		bad  event.Delivered
		want string
	}{
		{with(5, "A", "urn:3"), "test.sql:3: type A has the dataschema urn:3, which --strict refuses: the block is for urn:1 urn:2;"},
		{with(5, "A", ""), "test.sql:3: type A has the dataschema none, which --strict refuses: the block is for urn:1 urn:2;"},
		{with(5, "B", "urn:1"), "test.sql:6: type B has the dataschema urn:1, which --strict refuses: the block is for none;"},
	} {
		for _, target := range set(t, text, options{strict: true}) {
			_, err := target.apply(append(slices.Clone(good), c.bad)...)
			failed, is := errors.AsType[*checkpoint.EventError](err)
			if !is || failed.Position != 5 || !strings.Contains(err.Error(), c.want) || isOwn(err) {
				t.Errorf("%s: %v, want %s", target.name, err, c.want)
			}
			_, err = target.apply(good...)
			must.OK(t, err)
		}
		for _, target := range set(t, text, options{}) {
			_, err := target.apply(append(slices.Clone(good), c.bad)...)
			must.OK(t, err)
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
		must.OK(t, err)
	}
	same(t, all, "SELECT count(*), sum(n), max(position) FROM a", "7|5000|5000")
	events[2600].Data = []byte("no JSON")
	for _, target := range set(t, "CREATE TABLE a (data text);\n-- on A\nINSERT INTO a VALUES (CAST(:data AS text))", options{}) {
		_, err := target.apply(events...)
		if failed, is := errors.AsType[*checkpoint.EventError](err); !is || failed.Position != 2601 {
			t.Errorf("%s: %v, want the error of position 2601", target.name, err)
		}
		same(t, []*store{target}, "SELECT count(*) FROM a", "0")
	}
}
