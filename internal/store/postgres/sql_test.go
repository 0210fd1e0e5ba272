package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// The functions that writers in any language call.
func TestSQLAppend(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "orders", 0)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	for name, test := range map[string]struct {
		call, want string
	}{
		"json keeps the text": {`eventfeed.append('orders', 'T', 's', '{"a":  1.50}'::json, id => 'json')`,
			`json /orders T s application/json  map[] {"a":  1.50}`},
		"jsonb": {`eventfeed.append('orders', 'T', 's', '{"b":2,"a":  1.50}'::jsonb, id => 'jsonb')`,
			`jsonb /orders T s application/json  map[] {"a": 1.50, "b": 2}`},
		"text, and an untyped literal": {`eventfeed.append('orders', 'T', 's', '{"a":  1}', id => 'text')`,
			`text /orders T s application/json  map[] {"a":  1}`},
		"everything by name": {`eventfeed.append(feed => 'orders', type => 'T', subject => 's', data => '{}'::json, id => 'all', occurred_at => '2026-01-01 01:00+01',
				source => '/src', dataschema => 'urn:s', extensions => '{"n":5,"b":true,"s":"x","z":null}')`,
			`all /src T s application/json urn:s map[b:true n:5 s:x] {}`},
		"no subject, no data": {`eventfeed.append('orders', 'T', NULL, NULL::json, id => 'none')`,
			`none /orders T    map[] `},
		"bytes": {`eventfeed.append_bytes('orders', 'T', 's', '\x00ff'::bytea, 'image/png', id => 'bytes')`,
			"bytes /orders T s image/png  map[] \x00\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			var id string
			must.OK(t, pool.QueryRow(t.Context(), "SELECT "+test.call).Scan(&id))
			var again string
			must.OK(t, pool.QueryRow(t.Context(), "SELECT "+test.call).Scan(&again))
			storetest.Drain(t, l, "orders")
			for _, e := range storetest.Read(t, l, "orders") {
				got := fmt.Sprintf("%s %s %s %s %s %s %v %s", e.ID, e.Source, e.Type, e.Subject, e.DataContentType, e.DataSchema, e.Extensions, e.Data)
				if e.ID == id && got != test.want {
					t.Errorf("got  %q\nwant %q", got, test.want)
				}
			}
		})
	}
	if position, _ := storetest.Verify(t, l, "orders"); position != 6 {
		t.Errorf("position %d, want 6: each call was made twice under one id", position)
	}
}

func TestSQLAppendMakesUUIDv7(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	var text string
	must.OK(t, pool.QueryRow(t.Context(), `SELECT eventfeed.append('f', 'T', 's', '{}')`).Scan(&text))
	id, err := uuid.Parse(text)
	must.OK(t, err)
	seconds, _ := id.Time().UnixTime()
	if age := time.Since(time.Unix(seconds, 0)); id.Version() != 7 || id.Variant() != uuid.RFC4122 || age < -time.Minute || age > time.Minute {
		t.Errorf("%s: version %d, variant %v, age %v", id, id.Version(), id.Variant(), age)
	}
}

func TestSQLAppendRefuses(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	_, err := pool.Exec(t.Context(), `SELECT eventfeed.append('f', 'T', 's', '{"a":1}', id => '1', occurred_at => '2026-01-01', extensions => '{"x":"1"}')`)
	must.OK(t, err)
	for call, want := range map[string]struct{ code, says string }{
		`append('nothing', 'T', 's', '{}')`:                                        {"42704", "there is no feed 'nothing'"},
		`append('f', '', 's', '{}')`:                                               {"22023", "type is missing"},
		`append('f', NULL, 's', '{}')`:                                             {"22023", "type is missing"},
		`append('f', 'T', 's', 'not json')`:                                        {"22P02", "json"},
		`append('f', 'T', 's', '{}', id => repeat('x', 256))`:                      {"22023", "id has 256 bytes"},
		`append('f', 'T', E'a\nb', '{}')`:                                          {"22023", "control character"},
		`append('f', 'T', E'\uFFFE', '{}')`:                                        {"22023", "noncharacter"},
		`append('f', 'T', E'\U0001FFFF', '{}')`:                                    {"22023", "noncharacter"},
		`append('f', 'T', 's', '{}', occurred_at => '0001-01-01 00:00:00+00')`:     {"22023", "years 1 to 9999"},
		`append('f', 'T', 's', '{}', extensions => '[]')`:                          {"22023", "must be a JSON object"},
		`append('f', 'T', 's', '{}', extensions => '{"Trace":"1"}')`:               {"22023", "extension name"},
		`append('f', 'T', 's', '{}', extensions => '{"id":"1"}')`:                  {"22023", "extension name"},
		`append('f', 'T', 's', '{}', extensions => '{"x":1.5}')`:                   {"22023", "Integer"},
		`append('f', 'T', 's', '{}', extensions => '{"x":99999999999}')`:           {"22023", "Integer"},
		`append('f', 'T', 's', '{}', extensions => '{"x":{}}')`:                    {"22023", "must be a string"},
		`append('f', 'T', 's', '{}', occurred_at => 'infinity')`:                   {"22023", "years 1 to 9999"},
		`append_bytes('f', 'T', 's', decode(repeat('00', 8388608), 'hex'), 'x/y')`: {"22023", "too large"},
		`append('f', 'U', 's', '{"a":1}', id => '1')`:                              {"23505", "already, with other content"},
		`append('f', 'T', 'z', '{"a":1}', id => '1')`:                              {"23505", "already, with other content"},
		`append('f', 'T', 's', '{"a":2}', id => '1')`:                              {"23505", "already, with other content"},
		`append('f', 'T', 's', '{"a":1}', id => '1', occurred_at => '2026-01-02')`: {"23505", "already, with other content"},
		`append('f', 'T', 's', '{"a":1}', id => '1', extensions => '{"x":"2"}')`:   {"23505", "already, with other content"},
		`append('f', 'T', 's', '{"a":1}', id => '1', dataschema => 'urn:x')`:       {"23505", "already, with other content"},
		`append_bytes('f', 'T', 's', '{"a":1}'::bytea, 'text/plain', id => '1')`:   {"23505", "already, with other content"},
	} {
		_, err := pool.Exec(t.Context(), "SELECT eventfeed."+call)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != want.code || !strings.Contains(pgErr.Message, want.says) {
			t.Errorf("%s: %v, want %+v", call, err, want)
		}
	}
}

// What differs is not said, by any field of the error, and an attribute cannot be
// guessed by leaving out the others: who may append may not be allowed to read.
func TestSQLAppendDoesNotTellWhatAnEventHolds(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	storetest.Create(t, storetest.Open(t, url), "f", 0)
	pool := openPool(t, testdb.As(url, testdb.Writer))
	const whole = `append_bytes('f', 'T', 's', 'data', 'a/b', id => '1', occurred_at => '2026-01-01', dataschema => 'urn:x', extensions => '{"x":"1"}')`
	_, err := pool.Exec(t.Context(), "SELECT eventfeed."+whole)
	must.OK(t, err)
	var first *pgconn.PgError
	const names = `{"id": "1", "feed": "f", "source": "/f"}` // what programs read, and not the message
	for _, call := range []string{
		strings.Replace(whole, "'T'", "'U'", 1),
		strings.Replace(whole, "'s'", "'z'", 1), strings.Replace(whole, "'s'", "NULL", 1),
		strings.Replace(whole, "'data'", "'other'", 1), strings.Replace(whole, "'data'", "NULL", 1),
		strings.Replace(whole, "'a/b'", "'a/c'", 1), strings.Replace(whole, "'a/b'", "NULL", 1),
		strings.Replace(whole, "2026-01-01", "2026-01-02", 1),
		strings.Replace(whole, "'urn:x'", "'urn:y'", 1), strings.Replace(whole, "'urn:x'", "NULL", 1),
		strings.Replace(whole, `"1"`, `"2"`, 1), strings.Replace(whole, `'{"x":"1"}'`, "NULL", 1), strings.Replace(whole, `'{"x":"1"}'`, "'{}'", 1),
		"append_bytes('f', 'T', NULL, NULL, NULL, id => '1')",
	} {
		var refusal *pgconn.PgError
		if _, err := pool.Exec(t.Context(), "SELECT eventfeed."+call); !errors.As(err, &refusal) || refusal.ConstraintName != "eventfeed_id" || refusal.Detail != names {
			t.Errorf("%s: %v, want a refusal", call, err)
			continue
		}
		if first == nil {
			first = refusal
		}
		if *refusal != *first {
			t.Errorf("%s: %+v, want the same as for every other one: %+v", call, refusal, first)
		}
	}
	// The time of an append that names none is the clock's.
	for _, call := range []string{whole, strings.Replace(whole, "'2026-01-01'", "NULL", 1)} {
		if _, err := pool.Exec(t.Context(), "SELECT eventfeed."+call); err != nil {
			t.Errorf("%s again: %v", call, err)
		}
	}
}

func TestHistoryCannotBeChanged(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	l := storetest.Open(t, url)
	storetest.Create(t, l, "f", 2)
	storetest.Append(t, l, "f", storetest.Events(1, 5))
	storetest.Drain(t, l, "f")
	pool := openPool(t, url)
	for _, statement := range []string{
		"UPDATE eventfeed.events SET type = 'x'", "DELETE FROM eventfeed.events", "TRUNCATE eventfeed.events",
		"UPDATE eventfeed.positions SET position = 9", "DELETE FROM eventfeed.positions", "TRUNCATE eventfeed.positions",
		"UPDATE eventfeed.documents SET body = ''", "DELETE FROM eventfeed.documents WHERE stage = 'final'", "TRUNCATE eventfeed.documents",
		"DELETE FROM eventfeed.pages", "DELETE FROM eventfeed.epochs",
		"UPDATE eventfeed.entity_events SET version = 9", "DELETE FROM eventfeed.entity_events", "TRUNCATE eventfeed.entity_events",
	} {
		if _, err := pool.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
