package cmd_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// operationsReport is what a test reads of the operations page.
type operationsReport struct {
	Server struct {
		Database struct{ Up bool }
	}
	Problems []struct{ Level, Feed, Reader, What, Why, Next string }
	Feeds    []struct {
		Name     string
		Position int64
		Readers  int
	}
	Readers []struct {
		Kind, Name, Agent, State string
		Position                 *int64
		Behind                   *int64 `json:"behind_events"`
	}
}

// untilReport reads the operations page as JSON until it is as wanted.
func (o *operated) untilReport(t *testing.T, what string, is func(r *operationsReport) bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		status, text := ask(t, o.private+"/?format=json")
		var r operationsReport
		must.OK(t, json.Unmarshal([]byte(text), &r))
		if status == http.StatusOK && is(&r) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: never; at last %d %s\n%s", what, status, text, o.logged())
		}
	}
}

// A server knows which part of a feed its consumers have, from nothing but their requests; and it says so
// while its database is away.
func TestOperatorsSeeHowFarConsumersAre(t *testing.T) {
	t.Parallel()
	database, target := testdb.SQLite(t), testdb.SQLite(t)
	l := storetest.Open(t, database)
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 95))
	o := operate(t, database, "--tokens", tokenFile(t, "shipping", "secret"))
	bearer := filepath.Join(t.TempDir(), "bearer")
	must.OK(t, os.WriteFile(bearer, []byte("secret\n"), 0o600))
	seeder := follower(t, o.feeds+"/feeds/orders", target, "--bearer-file", bearer)
	at := func(position, behind int64, states ...string) func(r *operationsReport) bool {
		return func(r *operationsReport) bool {
			if len(r.Readers) != 1 || r.Readers[0].Position == nil {
				return false
			}
			reader := r.Readers[0]
			return reader.Kind == "token" && reader.Name == "shipping" && reader.Agent == "eventfeed" && slices.Contains(states, reader.State) &&
				*reader.Position == position && *reader.Behind == behind
		}
	}
	o.untilReport(t, "it follows", at(95, 0, "waiting"))
	storetest.Append(t, l, "orders", storetest.Events(96, 100))
	o.untilReport(t, "it has the new events", at(100, 0, "waiting"))
	must.OK(t, seeder.process.Process.Kill())
	gone := []string{"following", "silent"} // it is silent after a minute
	o.untilReport(t, "it is gone", at(100, 0, gone...))
	storetest.Append(t, l, "orders", storetest.Events(101, 107))
	o.untilReport(t, "it lacks events", at(100, 7, gone...))

	file := strings.TrimPrefix(database, "sqlite:")
	must.OK(t, os.Rename(file, file+".away"))
	o.untilReport(t, "the database is away", func(r *operationsReport) bool {
		return !r.Server.Database.Up && r.Problems[0].Level == "critical" && strings.HasPrefix(r.Problems[0].What, "The database has not answered for ") &&
			r.Problems[0].Next == "feedserver list" && len(r.Feeds) == 1 && r.Feeds[0].Position == 107 && at(100, 7, gone...)(r)
	})
	must.OK(t, os.Rename(file+".away", file))
	o.untilReport(t, "the database is back", func(r *operationsReport) bool {
		return r.Server.Database.Up && (len(r.Problems) == 0 || r.Problems[0].Reader == "shipping")
	})
}

// A consumer that has events which a restore has lost is not at a position of the feed. It stays so after
// it has stopped, until it shows a document of the feed's own.
func TestOperatorsSeeWhoHasALostHistory(t *testing.T) {
	t.Parallel()
	database, target, folder := testdb.SQLite(t), testdb.SQLite(t), t.TempDir()
	l := storetest.Open(t, database)
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 95))
	o := operate(t, database, "--tokens", tokenFile(t, "shipping", "secret"))
	bearer := filepath.Join(folder, "bearer")
	must.OK(t, os.WriteFile(bearer, []byte("secret\n"), 0o600))
	seeder := follower(t, o.feeds+"/feeds/orders", target, "--bearer-file", bearer)
	at := func(position int64) func(r *operationsReport) bool {
		return func(r *operationsReport) bool {
			return len(r.Readers) == 1 && r.Readers[0].State == "waiting" && *r.Readers[0].Position == position && len(r.Problems) == 0
		}
	}
	o.untilReport(t, "it follows", at(95))
	backup := filepath.Join(folder, "backup.db")
	db, err := sqlitedb.OpenWriter(t.Context(), strings.TrimPrefix(database, sqlitedb.Scheme))
	must.OK(t, err)
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", backup)
	must.OK(t, err)
	must.OK(t, db.Close())
	storetest.Append(t, l, "orders", storetest.Events(96, 100))
	o.untilReport(t, "it has the new events", at(100))

	restored := storetest.Open(t, sqlitedb.Scheme+backup)
	must.OK(t, restored.NewEpoch(t.Context(), "orders", "restored"))
	restored.Close()
	l.Close()
	must.OK(t, os.Rename(backup, strings.TrimPrefix(database, sqlitedb.Scheme)))
	o.untilReport(t, "it has a lost history", func(r *operationsReport) bool {
		return len(r.Problems) == 1 && r.Problems[0].Reader == "shipping" && r.Problems[0].Next == "seeder status --into URL" &&
			strings.HasPrefix(r.Problems[0].What, "has events that the feed does not have") && r.Readers[0].Position == nil
	})
	if err := <-seeder.ended; err == nil {
		t.Error("the seeder has not stopped")
	}
	rewind := exec.CommandContext(t.Context(), filepath.Join(programs, "seeder"), "rewind", "--from", o.feeds+"/feeds/orders", "--bearer-file", bearer, "--into", target, "--to", "95", "--yes")
	if out, err := rewind.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	o.untilReport(t, "it has gone back, and shows nothing of that yet", func(r *operationsReport) bool { return len(r.Problems) == 1 })
	follower(t, o.feeds+"/feeds/orders", target, "--bearer-file", bearer)
	o.untilReport(t, "it follows again", at(95))
}
