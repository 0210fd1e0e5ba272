package adopt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/adopt"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/projection"
	projectionpostgres "github.com/eventfeed/eventfeed/internal/projection/postgres"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// accounts is a table whose rows know their own history: each write draws a
// version, and notes the one before it.
const accounts = `
	CREATE SEQUENCE crm.versions;
	CREATE TABLE crm.accounts (no numeric(12) PRIMARY KEY, version bigint NOT NULL DEFAULT nextval('crm.versions'), before bigint, filler text DEFAULT repeat('x', 100))`

// changes are what a service does to an account; $2 is another number.
var changes = []string{
	"UPDATE crm.accounts SET version = nextval('crm.versions'), before = version WHERE no = $1 AND $2::numeric IS NOT NULL",
	"UPDATE crm.accounts SET version = nextval('crm.versions'), before = version WHERE no IN ($1, $2)",
	"DELETE FROM crm.accounts WHERE no = $1 AND $2::numeric IS NOT NULL",
	"INSERT INTO crm.accounts (no) VALUES ($1) ON CONFLICT DO NOTHING",
	"UPDATE crm.accounts SET no = $2, version = nextval('crm.versions'), before = version WHERE no = $1 AND NOT EXISTS (SELECT FROM crm.accounts WHERE no = $2)",
	"UPDATE crm.accounts SET filler = filler WHERE no = $1 AND $2::numeric IS NOT NULL",
	"SELECT FROM crm.accounts WHERE no = $1 AND $2::numeric IS NOT NULL FOR UPDATE",
}

// changeAccount is a transaction of the service, which is sometimes slow, and
// sometimes rolled back. It changes accounts of the worker's own, in the order of
// their numbers or against it, or a hot one of all: no worker deadlocks with another.
func changeAccount(ctx context.Context, tx pgx.Tx, worker, n int) error {
	share := 50 + worker*750
	from, to := share+rand.IntN(750), share+rand.IntN(750)
	if n%3 == 0 {
		from = rand.IntN(20)
		to = from
	} else if (worker%2 == 0) == (from > to) {
		from, to = to, from
	}
	for _, no := range [][2]int{{from, to}, {to, from}}[:1+min(1, n%3)] {
		change := changes[rand.IntN(len(changes))]
		arguments := []any{no[0], no[1]}
		if strings.HasPrefix(change, "INSERT") {
			arguments = arguments[:1]
		}
		if _, err := tx.Exec(ctx, change, arguments...); err != nil {
			return err
		}
	}
	switch n % 30 {
	case 7:
		time.Sleep(30 * time.Millisecond)
	case 13:
		return errRollBack
	}
	return nil
}

// TestImportOfAStateTableUnderLoad holds the recipe to its promise: of each row
// the feed has every version, each once, in order, and beginning with the row as
// it was imported or created.
func TestImportOfAStateTableUnderLoad(t *testing.T) {
	t.Parallel()
	for name, isolation := range map[string]pgx.TxIsoLevel{"read committed": pgx.ReadCommitted, "repeatable read": pgx.RepeatableRead, "serializable": pgx.Serializable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, accounts+`; INSERT INTO crm.accounts (no) SELECT n FROM generate_series(1, 2000) n`)
			s.adopt("crm.accounts", false, adopt.Options{})
			stop := s.atWork(4, isolation, changeAccount)
			s.run("0-check.sql", "1-prepare.sql", "2-trigger.sql")
			time.Sleep(100 * time.Millisecond)
			s.run("3-import.sql")
			s.run("4-finish.sql")
			time.Sleep(200 * time.Millisecond)
			stop()
			storetest.Drain(t, s.log, feedName)
			last := checkVersions(t, storetest.Read(t, s.log, feedName))
			rows, err := s.owner.Query(t.Context(), "SELECT no::text, version FROM crm.accounts")
			must.OK(t, err)
			for rows.Next() {
				var no string
				var version int64
				must.OK(t, rows.Scan(&no, &version))
				if last[no] != version {
					t.Errorf("account %s has version %d, its last event %d", no, version, last[no])
				}
				delete(last, no)
			}
			must.OK(t, rows.Err())
			for no, version := range last {
				t.Errorf("account %s of version %d is in the feed, and not in the table", no, version)
			}
			if copied, want := s.consumer(storetest.Read(t, s.log, feedName), "accounts", "no"), s.content("crm.accounts", "no"); copied != want {
				t.Errorf("the consumer's table has %s, the service's %s", copied, want)
			}
			if left := s.query(`SELECT count(*)::text FROM pg_class WHERE relname LIKE '%eventfeed%' AND relnamespace = 'crm'::regnamespace`); left != "0" {
				t.Errorf("%s tables of the import are left", left)
			}
		})
	}
}

// checkVersions checks that each event goes on from the one before it of its
// account, and returns the last version of each that is not deleted.
func checkVersions(t *testing.T, events []event.Placed) (last map[string]int64) {
	t.Helper()
	last = make(map[string]int64)
	known := make(map[string]bool)
	counts := make(map[string]int)
	for _, e := range events {
		var row struct {
			Version int64
			Before  int64
		}
		must.OK(t, json.Unmarshal(e.Data, &row))
		version, there := last[e.Subject]
		counts[e.Type]++
		ok := map[string]bool{
			"AccountImported": !known[e.Subject],
			"AccountCreated":  !there,
			"AccountChanged":  there && row.Before == version,
			"AccountDeleted":  there && row.Version == version,
		}[e.Type]
		if !ok {
			t.Errorf("position %d: %s %s %s after version %d (%t)", e.Position, e.Type, e.Subject, e.Data, version, there)
		}
		known[e.Subject] = true
		last[e.Subject] = row.Version
		if e.Type == "AccountDeleted" {
			delete(last, e.Subject)
		}
	}
	if len(counts) != 4 {
		t.Errorf("types %v: the load did not do all that it should", counts)
	}
	return last
}

// content is a table's rows, as the same text in both databases.
func (s *service) content(table, order string) string {
	return s.query(contentOf(table, order))
}

func contentOf(table, order string) string {
	return fmt.Sprintf(`SELECT count(*) || ' ' || coalesce(md5(string_agg(to_jsonb(x)::text, ',' ORDER BY %s)), '') FROM %s x`, order, table)
}

// consumer applies events by the recipe's projection in a database of its own,
// and returns the table's content there.
func (s *service) consumer(events []event.Placed, table, order string) (content string) {
	t := s.t
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "projection.sql"))
	must.OK(t, err)
	p, err := projection.Parse("projection.sql", text)
	must.OK(t, err)
	var b checkpoint.Batch
	for _, e := range events {
		b.Events = append(b.Events, event.Delivered{Feed: feedName, Placed: e})
	}
	apply := projectionpostgres.New(p, "test", true)
	must.OK(t, pgx.BeginFunc(t.Context(), open(t, testdb.Postgres(t)), func(tx pgx.Tx) error {
		must.OK(t, apply.Setup(t.Context(), tx))
		must.OK(t, apply.Prepare(t.Context(), tx))
		_, err := apply.Apply(t.Context(), tx, b)
		must.OK(t, err)
		return tx.QueryRow(t.Context(), contentOf(table, order)).Scan(&content)
	}))
	return content
}

// A table with columns of many types, named as badly as SQL allows.
const oddTable = `
	CREATE TYPE crm.mood AS ENUM ('glad', 'sad');
	CREATE DOMAIN crm.short AS varchar(10);
	CREATE TYPE crm.pair AS (x int, y text);
	CREATE TABLE crm."Odd ""Table""" (
		"The No" uuid, r date, "Order" int, n numeric, exact numeric(20,5), b bytea, at timestamptz, local timestamp, d interval,
		a int[], texts text[][], moods crm.mood[], m crm.mood, s crm.short, p crm.pair, j json, jb jsonb, f double precision, k text,
		g int GENERATED ALWAYS AS ("Order" * 2) STORED, range tstzrange, pt point, net inet, money money, c char(5), bits bit(3), x xml,
		PRIMARY KEY ("The No", r));
	INSERT INTO crm."Odd ""Table""" VALUES ('00000000-0000-0000-0000-000000000001', '2024-02-29', 1, 12345678901234567890.10, 1.5, '\x00ff27',
		'2024-07-01 12:00:00.123456+02', '2024-07-01 12:00', '1 mon 2 days 03:04:05.6', '{1,NULL,3}', '{{a,"b,"},{"\"",NULL}}', '{sad,glad}', 'sad', 'short',
		(1, 'a"b'), '{"a": 1,  "a": 2}', '{"z": 1.50}', 0.1::float8 + 0.2, E'tab\t \\ '' "', DEFAULT, '[2024-01-01,2024-02-01)', '(1,2.5)', '10.0.0.0/8', '12.50', 'ab', B'101', '<a>1</a>'),
		('00000000-0000-0000-0000-000000000002', 'infinity', NULL, 'NaN', NULL, NULL, 'infinity', '-infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'NaN', NULL, DEFAULT, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`

// Each value arrives as it is, whatever the settings of the session that writes it.
func TestEachTypeArrivesExactly(t *testing.T) {
	t.Parallel()
	s := newService(t, oddTable)
	s.adopt(`crm."Odd ""Table"""`, false, adopt.Options{Entity: "Odd"})
	s.run("0-check.sql", "1-prepare.sql", "2-trigger.sql", "3-import.sql", "4-finish.sql")
	exec1(t, s.app, `SET "DateStyle" = 'German'; SET "IntervalStyle" = 'sql_standard'; SET bytea_output = 'escape'; SET extra_float_digits = -5; SET "TimeZone" = 'Asia/Tokyo';
		UPDATE crm."Odd ""Table""" SET k = 'changed';
		INSERT INTO crm."Odd ""Table""" ("The No", r, "Order", b, at, d, f, j) VALUES ('00000000-0000-0000-0000-000000000003', '2024-01-02', 3, '\xff00', '2024-01-01 00:00+00', '-1 day 2 hours', 1e-7, '{"u": "\u0041"}');
		INSERT INTO crm."Odd ""Table""" ("The No", r) VALUES ('00000000-0000-0000-0000-000000000004', '2024-01-02');
		DELETE FROM crm."Odd ""Table""" WHERE "The No" = '00000000-0000-0000-0000-000000000004';
		UPDATE crm."Odd ""Table""" SET r = '2024-01-03' WHERE "The No" = '00000000-0000-0000-0000-000000000003'`)
	storetest.Drain(t, s.log, feedName)
	events := storetest.Read(t, s.log, feedName)
	copied, want := s.consumer(events, `"Odd ""Table"""`, `"The No"`), s.content(`crm."Odd ""Table"""`, `"The No"`)
	if copied != want || !strings.HasPrefix(want, "3 ") {
		t.Errorf("the consumer's table has %s, the service's %s", copied, want)
	}
	if t.Failed() {
		for _, e := range events {
			t.Logf("%s %s %s", e.Type, e.Subject, e.Data)
		}
	}
}
