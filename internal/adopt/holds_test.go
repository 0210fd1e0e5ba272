package adopt_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/adopt"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

var steps = []string{"0-check.sql", "1-prepare.sql", "2-trigger.sql", "3-import.sql", "4-finish.sql"}

// types are the types and subjects of the feed's events.
func (s *service) types() string {
	s.t.Helper()
	storetest.Drain(s.t, s.log, feedName)
	var all []string
	for _, e := range storetest.Read(s.t, s.log, feedName) {
		all = append(all, e.Type+" "+e.Subject)
	}
	return strings.Join(all, ", ")
}

// What docs/adopt.md says of what a service may do to its table.
func TestWhatAServiceDoesToItsTable(t *testing.T) {
	t.Parallel()
	const plain = "CREATE TABLE crm.items (no int PRIMARY KEY, n int);"
	for name, test := range map[string]struct{ table, do, want, refused string }{
		"COPY and INSERT SELECT are events of each row": {
			table: plain, do: "INSERT INTO crm.items SELECT g, 1 FROM generate_series(1, 2) g",
			want: "ItemCreated 1, ItemCreated 2",
		},
		"an update that changes nothing is no event": {
			table: plain + "INSERT INTO crm.items VALUES (1)", do: "UPDATE crm.items SET n = n",
			want: "ItemImported 1",
		},
		"a key that changes is a row that goes and one that comes": {
			table: plain + "INSERT INTO crm.items VALUES (1)", do: "UPDATE crm.items SET no = 2",
			want: "ItemImported 1, ItemDeleted 1, ItemCreated 2",
		},
		"TRUNCATE is refused": {
			table: plain + "INSERT INTO crm.items VALUES (1)", do: "TRUNCATE crm.items",
			want: "ItemImported 1", refused: "TRUNCATE of items would not be in its feed",
		},
		"rows move between partitions": {
			table: `CREATE TABLE crm.items (no int, part int, n int, PRIMARY KEY (no, part)) PARTITION BY LIST (part);
				CREATE TABLE crm.items_1 PARTITION OF crm.items FOR VALUES IN (1);
				CREATE TABLE crm.items_2 (part int NOT NULL, n int, no int NOT NULL);
				ALTER TABLE crm.items ATTACH PARTITION crm.items_2 FOR VALUES IN (2);
				INSERT INTO crm.items VALUES (1, 1), (2, 2)`,
			do:   "UPDATE crm.items SET part = 2 WHERE no = 1; UPDATE crm.items_2 SET n = 5 WHERE no = 2",
			want: "ItemImported [1, 1], ItemImported [2, 2], ItemDeleted [1, 1], ItemCreated [1, 2], ItemChanged [2, 2]",
		},
		"a trigger that changes further rows comes after ours": {
			table: plain + `INSERT INTO crm.items VALUES (1, 0);
				CREATE FUNCTION crm.again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
					IF NEW.n < 3 THEN UPDATE crm.items SET n = NEW.n + 1 WHERE no = NEW.no; END IF; RETURN NULL; END $$;
				CREATE TRIGGER "1_again" AFTER UPDATE ON crm.items FOR EACH ROW EXECUTE FUNCTION crm.again()`,
			do: "UPDATE crm.items SET n = 1", want: "ItemImported 1, ItemChanged 1, ItemChanged 1, ItemChanged 1",
		},
		"a key without a fixed scale": {
			table: "CREATE TABLE crm.items (no numeric PRIMARY KEY); INSERT INTO crm.items VALUES (1.0)",
			do:    "UPDATE crm.items SET no = 1.00", want: "ItemImported 1.0, ItemDeleted 1.0, ItemCreated 1.00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, test.table)
			s.adopt("crm.items", false, adopt.Options{})
			s.run(steps...)
			_, err := s.app.Exec(t.Context(), test.do, pgx.QueryExecModeSimpleProtocol)
			if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%s: %v", test.do, err)
			}
			if got := s.types(); got != test.want && !strings.HasPrefix(name, "TRUNCATE") {
				t.Errorf("the feed has %s\nwant %s", got, test.want)
			}
			events := storetest.Read(t, s.log, feedName)
			if copied, want := s.consumer(events, "items", "no"), s.content("crm.items", "no"); copied != want {
				t.Errorf("the consumer's table has %s, the service's %s", copied, want)
			}
		})
	}
}

// COPY goes through the trigger, too.
func TestCopyIsAppended(t *testing.T) {
	t.Parallel()
	s := newService(t, outboxTable)
	s.adopt("crm.outbox", true, adopt.Options{})
	s.run(steps...)
	_, err := s.app.CopyFrom(t.Context(), pgx.Identifier{"crm", "outbox"}, []string{"aggregate_id", "event_type"},
		pgx.CopyFromRows([][]any{{"o-1", "First"}, {"o-1", "Second"}}))
	must.OK(t, err)
	exec1(t, s.owner, "TRUNCATE crm.outbox")
	if got := s.types(); got != "First o-1, Second o-1" {
		t.Errorf("the feed has %s", got)
	}
}

// The service may delete from partitions of an outbox, whose columns may be in another order.
func TestPartitionedOutbox(t *testing.T) {
	t.Parallel()
	s := newService(t, `
		CREATE TABLE crm.outbox (id bigint, type text, payload json, created_at timestamptz, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);
		CREATE TABLE crm.outbox_old (created_at timestamptz NOT NULL, payload json, gone int, id bigint NOT NULL, type text);
		ALTER TABLE crm.outbox_old DROP COLUMN gone;
		ALTER TABLE crm.outbox ATTACH PARTITION crm.outbox_old FOR VALUES FROM (MINVALUE) TO ('2025-01-01');
		CREATE TABLE crm.outbox_new PARTITION OF crm.outbox DEFAULT;
		INSERT INTO crm.outbox VALUES (2, 'Second', '{}', '2026-01-01'), (1, 'First', '{}', '2024-01-01')`)
	s.adopt("crm.outbox", true, adopt.Options{Order: []string{"created_at", "id"}})
	s.run("0-check.sql", "1-prepare.sql", "2-trigger.sql")
	exec1(t, s.app, "INSERT INTO crm.outbox VALUES (3, 'Third', '{}', '2024-02-01')")
	s.run("3-import.sql", "4-finish.sql")
	exec1(t, s.app, "INSERT INTO crm.outbox VALUES (4, 'Fourth', '{}', '2024-03-01'); INSERT INTO crm.outbox_new VALUES (5, 'Fifth', '{}', '2026-03-01')")
	if got := s.types(); got != "First , Second , Third , Fourth , Fifth " {
		t.Errorf("the feed has %s", got)
	}
}

// The import waits for a row that another transaction has locked, holding none
// itself, and imports it in the end.
func TestImportWaitsForALockedRowAlone(t *testing.T) {
	t.Parallel()
	s := newService(t, "CREATE TABLE crm.items (no int PRIMARY KEY); INSERT INTO crm.items SELECT generate_series(1, 50)")
	s.adopt("crm.items", false, adopt.Options{})
	s.run("1-prepare.sql", "2-trigger.sql")
	tx, err := s.app.Begin(t.Context())
	must.OK(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM crm.items WHERE no = 7 FOR UPDATE")
	must.OK(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.run("3-import.sql")
	}()
	for deadline := time.Now().Add(time.Minute); pending(t, s) < 49; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d rows imported", pending(t, s))
		}
	}
	exec1(t, s.app, "DELETE FROM crm.items WHERE no <> 7")
	select {
	case <-ended:
		t.Error("the import ended without the locked row")
	default:
	}
	must.OK(t, tx.Commit(t.Context()))
	<-ended
	s.run("4-finish.sql")
	if n := strings.Count(s.types(), "ItemImported"); n != 50 {
		t.Errorf("%d rows imported", n)
	}
}

// undo.sql takes a recipe back after each of its steps, and it can be made anew.
func TestUndoAfterEachStep(t *testing.T) {
	t.Parallel()
	for _, outbox := range []bool{false, true} {
		s := newService(t, outboxTable+"INSERT INTO crm.outbox (event_type) VALUES ('T')")
		before := s.query(objects)
		s.adopt("crm.outbox", outbox, adopt.Options{})
		for n := range steps {
			s.run(steps[:n+1]...)
			s.run("undo.sql")
			if left := s.query(objects); left != before {
				t.Errorf("outbox %t, after %s: %s, before %s", outbox, steps[n], left, before)
			}
		}
	}
}

const objects = `SELECT (SELECT count(*) FROM pg_class) || ' relations, ' || (SELECT count(*) FROM pg_proc) || ' functions, ' || (SELECT count(*) FROM pg_trigger) || ' triggers'`

// Step 4 refuses to end an import that has not come to its end.
func TestFinishWithoutTheImport(t *testing.T) {
	t.Parallel()
	s := newService(t, "CREATE TABLE crm.items (no int PRIMARY KEY); INSERT INTO crm.items SELECT generate_series(1, 50)")
	s.adopt("crm.items", false, adopt.Options{})
	s.run("1-prepare.sql", "2-trigger.sql")
	if _, err := s.owner.Exec(t.Context(), "SELECT crm.items_eventfeed_finish()"); err == nil || !strings.Contains(err.Error(), "not imported yet") {
		t.Errorf("%v", err)
	}
}
