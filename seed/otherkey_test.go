package seed_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/seed"
	"github.com/eventfeed/eventfeed/seed/seedsqlite"
)

// The inbox's owner may add keys, and triggers that fill tables with keys.
func TestViolationOfAnotherKeyIsNotTakenForAnEventThatIsThere(t *testing.T) {
	eachTarget(t, func(t *testing.T, again func() target) {
		s := newSource(t, 5)
		_, err := run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		must.OK(t, err)
		if strings.HasSuffix(t.Name(), "postgres") {
			again().exec(t, "CREATE UNIQUE INDEX one_a_subject ON INBOX (subject)")
		} else {
			again().exec(t, `
				CREATE TABLE subjects (one_a_subject TEXT PRIMARY KEY);
				INSERT INTO subjects SELECT subject FROM INBOX;
				CREATE TRIGGER subjects AFTER INSERT ON INBOX BEGIN INSERT INTO subjects VALUES (NEW.subject); END`)
		}
		s.add(t, 6, 20) // of subjects that are there
		_, err = run(t, seed.Config{From: []string{s.feed()}, Into: again().Target})
		if err == nil || errors.Is(err, checkpoint.ErrThere) || !strings.Contains(err.Error(), "one_a_subject") {
			t.Errorf("run: %v; want the violation of one_a_subject as it is", err)
		}
	})
}

// A trigger of the inbox's owner may end the transaction. Nothing of its events may stay then, and the
// error names the one that it was.
func TestTriggerThatRollsBackLeavesNothingOfAStep(t *testing.T) {
	t.Parallel()
	s := newSource(t, 100)
	path := filepath.Join(t.TempDir(), "target.db")
	config := seed.Config{From: []string{s.feed()}, Into: seedsqlite.Open(path).Inbox()}
	config.Until = 10
	_, err := run(t, config)
	must.OK(t, err)
	config.Until = 0
	for _, how := range []string{"ROLLBACK", "ABORT", "FAIL"} {
		sqliteExec(path)(t, `CREATE TRIGGER closed BEFORE INSERT ON INBOX WHEN NEW.position = 57 BEGIN SELECT RAISE(`+how+`, 'closed'); END`)
		_, err = run(t, config)
		if failed, is := errors.AsType[*checkpoint.EventError](err); !is || failed.Position != 57 {
			t.Errorf("%s: %v; want an error of position 57", how, err)
		}
		sqliteExec(path)(t, `DROP TRIGGER closed`)
		if kept := querySQLite(t, path, "SELECT position FROM eventfeed_checkpoints WHERE position = (SELECT count(*) FROM eventfeed_inbox_events)"); len(kept) != 1 || kept[0] == "100" {
			t.Errorf("%s: the inbox holds other events than those before the checkpoint", how)
		}
	}
	_, err = run(t, config)
	must.OK(t, err)
	if events := querySQLite(t, path, "SELECT position FROM eventfeed_inbox_events"); len(events) != 100 {
		t.Errorf("%d events are in the inbox, want 100", len(events))
	}
}
