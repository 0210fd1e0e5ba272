package adopt_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/adopt"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

const outboxTable = `
	CREATE TABLE crm.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
		aggregate_id text, event_type text NOT NULL, payload jsonb, created_at timestamptz NOT NULL DEFAULT now());`

// writeOutbox is a transaction of the service: it locks its entity first, as one
// does who changes it, and is sometimes slow, and sometimes rolled back.
func writeOutbox(ctx context.Context, tx pgx.Tx, worker, n int) error {
	entity := fmt.Sprint("o-", rand.IntN(9))
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", entity); err != nil {
		return err
	}
	for range 1 + n%2 {
		if _, err := tx.Exec(ctx, "INSERT INTO crm.outbox (aggregate_id, event_type, payload) VALUES ($1, 'Changed', jsonb_build_object('worker', $2::int, 'n', $3::int))", entity, worker, n); err != nil {
			return err
		}
	}
	switch n % 20 {
	case 7:
		time.Sleep(30 * time.Millisecond)
	case 13:
		return errRollBack
	}
	return nil
}

// TestImportOfAnOutboxUnderLoad writes while the recipe runs, and while a relay
// deletes: each row that a transaction has written is in the feed once, from the
// oldest that was there when the import began, and those of an entity in order.
func TestImportOfAnOutboxUnderLoad(t *testing.T) {
	t.Parallel()
	for name, isolation := range map[string]pgx.TxIsoLevel{"read committed": pgx.ReadCommitted, "serializable": pgx.Serializable} {
		for _, relay := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", a relay deletes: ", relay), func(t *testing.T) {
				t.Parallel()
				s := newService(t, outboxTable+`
					INSERT INTO crm.outbox (aggregate_id, event_type, payload) SELECT 'o-' || n % 9, 'Changed', '{}' FROM generate_series(1, 3000) n;
					CREATE TABLE crm.written (LIKE crm.outbox);
					INSERT INTO crm.written SELECT * FROM crm.outbox;
					CREATE FUNCTION crm.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO crm.written SELECT NEW.*; RETURN NULL; END $$;
					CREATE TRIGGER note AFTER INSERT ON crm.outbox FOR EACH ROW EXECUTE FUNCTION crm.note()`)
				s.adopt("crm.outbox", true, adopt.Options{})
				stops := []func(){s.atWork(4, isolation, writeOutbox)}
				if relay {
					stops = append(stops, s.atWork(1, pgx.ReadCommitted, func(ctx context.Context, tx pgx.Tx, _, _ int) error {
						_, err := tx.Exec(ctx, "DELETE FROM crm.outbox WHERE id IN (SELECT id FROM crm.outbox ORDER BY id LIMIT 20)")
						return err
					}))
				}
				s.run("0-check.sql", "1-prepare.sql", "2-trigger.sql", "3-import.sql")
				time.Sleep(100 * time.Millisecond)
				s.run("3-import.sql", "4-finish.sql")
				time.Sleep(100 * time.Millisecond)
				for _, stop := range stops {
					stop()
				}
				storetest.Drain(t, s.log, feedName)
				s.checkOutbox()
				if missing := s.query(`SELECT count(*)::text FROM crm.written w WHERE NOT ` + inFeed); !relay && missing != "0" {
					t.Errorf("%s rows are not in the feed", missing)
				}
			})
		}
	}
}

const inFeed = `EXISTS (SELECT FROM crm.copied e WHERE e.id = w.event_id::text)`

// checkOutbox copies the feed to a table of the owner's, who may not read it,
// and compares it with all that was written.
func (s *service) checkOutbox() {
	t := s.t
	t.Helper()
	exec1(t, s.owner, "CREATE TABLE crm.copied (position bigint, id text, type text, subject text, time timestamptz, data jsonb)")
	var rows [][]any
	for _, e := range storetest.Read(t, s.log, feedName) {
		rows = append(rows, []any{e.Position, e.ID, e.Type, e.Subject, e.Time, string(e.Data)})
	}
	_, err := s.owner.CopyFrom(t.Context(), pgx.Identifier{"crm", "copied"}, []string{"position", "id", "type", "subject", "time", "data"}, pgx.CopyFromRows(rows))
	must.OK(t, err)
	for question, sql := range map[string]string{
		"rows with another event": `SELECT count(*)::text FROM crm.written w JOIN crm.copied e ON e.id = w.event_id::text
			WHERE e.type <> w.event_type OR e.subject <> w.aggregate_id OR e.time <> w.created_at OR e.data IS DISTINCT FROM w.payload`,
		"events that are no rows": `SELECT count(*)::text FROM crm.copied e WHERE NOT EXISTS (SELECT FROM crm.written w WHERE w.event_id::text = e.id)`,
		"events out of order": `SELECT count(*)::text FROM (
			SELECT e.position, lag(e.position) OVER (PARTITION BY w.aggregate_id ORDER BY w.id) AS before
			FROM crm.written w JOIN crm.copied e ON e.id = w.event_id::text) x WHERE position < before`,
		"rows missing behind one that is there": `WITH rows AS (SELECT w.*, ` + inFeed + ` AS there FROM crm.written w)
			SELECT count(*)::text FROM rows r WHERE NOT r.there AND r.id > (SELECT min(id) FROM rows b WHERE b.there AND b.aggregate_id = r.aggregate_id)`,
	} {
		if n := s.query(sql); n != "0" {
			t.Errorf("%s: %s", question, n)
		}
	}
}

// TestAnImportIsLinearWhateverTheStatisticsSay counts the rows that are read: each
// a few times, and none for each other one.
func TestAnImportIsLinearWhateverTheStatisticsSay(t *testing.T) {
	t.Parallel()
	for name, statistics := range map[string]string{
		"none":  "",
		"wrong": "ANALYZE crm.outbox; ANALYZE crm.accounts;",
	} {
		for _, outbox := range []bool{true, false} {
			rows := 10_000
			if outbox && statistics == "" {
				rows = 200_000
			}
			t.Run(fmt.Sprint(name, ", outbox: ", outbox), func(t *testing.T) {
				t.Parallel()
				s := newService(t, outboxTable+accounts+`; ALTER TABLE crm.outbox SET (autovacuum_enabled = off); ALTER TABLE crm.accounts SET (autovacuum_enabled = off);
					INSERT INTO crm.outbox (event_type) VALUES ('T'); INSERT INTO crm.accounts (no) VALUES (0);`+statistics)
				fill, table, n := `INSERT INTO crm.outbox (aggregate_id, event_type, payload) SELECT 'o-' || n % 50, 'T', '{}' FROM generate_series(2, $1::int) n`, "outbox", rows
				if !outbox {
					fill, table, n = `INSERT INTO crm.accounts (no) SELECT n FROM generate_series(2, $1::int) n`, "accounts", rows
				}
				_, err := s.owner.Exec(t.Context(), fill, n)
				must.OK(t, err)
				s.adopt("crm."+table, outbox, adopt.Options{})
				s.run("1-prepare.sql", "2-trigger.sql", "3-import.sql")
				s.run("3-import.sql")
				read := func(relation string) (rows int64) {
					must.OK(t, s.owner.QueryRow(t.Context(), `SELECT coalesce(pg_stat_get_tuples_returned(to_regclass($1)), 0)`, relation).Scan(&rows))
					return rows
				}
				for _, relation := range []string{"crm." + table, "eventfeed.events", "eventfeed.pending", "eventfeed.refused", "crm." + table + "_eventfeed_queue", "crm." + table + "_eventfeed_seen"} {
					if read(relation) > int64(4*n) {
						t.Errorf("%d rows of %s were read for %d", read(relation), relation, n)
					}
				}
				s.run("4-finish.sql")
				if got := pending(t, s); got != n {
					t.Errorf("%d events, want %d", got, n)
				}
			})
		}
	}
}

func pending(t *testing.T, s *service) int {
	t.Helper()
	f, err := s.log.Feed(t.Context(), feedName)
	must.OK(t, err)
	n, err := s.log.Pending(t.Context(), f.Key)
	must.OK(t, err)
	return int(n)
}

// A row of which no event can be made lets the service's transaction commit, and
// is set aside, by the import and by the trigger.
func TestARowThatMakesNoEventIsSetAside(t *testing.T) {
	t.Parallel()
	bad := []string{"E'o-4\\n', 'T', '{}'", "'o-5', '', '{}'", "repeat('x', 1100), 'T', '{}'", "'o-6', 'T', to_jsonb(repeat('x', 9000000))"}
	s := newService(t, outboxTable)
	write := func(what string) {
		for _, row := range bad {
			exec1(t, s.app, "INSERT INTO crm.outbox (aggregate_id, event_type, payload) VALUES ("+row+"), ('o-1', '"+what+"', '{}')")
		}
	}
	write("Before")
	s.adopt("crm.outbox", true, adopt.Options{})
	if listed := s.run("0-check.sql"); strings.Count(listed, "\n") != len(bad) {
		t.Errorf("step 0 lists\n%s", listed)
	}
	s.run("1-prepare.sql", "2-trigger.sql")
	write("Queued")
	s.run("3-import.sql", "4-finish.sql")
	write("Appended")
	stats, err := s.log.Stats(t.Context())
	must.OK(t, err)
	if refused := stats.Feeds[0].Refused; refused != int64(3*len(bad)) {
		t.Errorf("%d rows refused", refused)
	}
	storetest.Drain(t, s.log, feedName)
	types := ""
	for _, e := range storetest.Read(t, s.log, feedName) {
		types += e.Type + " "
	}
	if want := strings.Repeat("Before ", 4) + strings.Repeat("Queued ", 4) + strings.Repeat("Appended ", 4); types != want {
		t.Errorf("the feed has %s", types)
	}
}
