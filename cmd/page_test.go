package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/html"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// state reads a seeder's page as JSON.
func (o *operated) state(t *testing.T) (s html.Seeder) {
	t.Helper()
	_, body := ask(t, o.private+"/?format=json")
	must.OK(t, json.Unmarshal([]byte(body), &s))
	return s
}

// waitState reads a seeder's page until it is as it should be.
func (o *operated) waitState(t *testing.T, what string, is func(*html.Seeder) bool) html.Seeder {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		s := o.state(t)
		if is(&s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s: %+v\n%s", what, s, o.logged())
		}
	}
}

// shell runs a command that a page shows, in the folder of the seeder.
func shell(t *testing.T, line string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-c", line)
	command.Env = append(os.Environ(), "PATH="+programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func execSQLite(t *testing.T, target, statement string) {
	t.Helper()
	db, err := sqlitedb.OpenWriter(t.Context(), strings.TrimPrefix(target, "sqlite:"))
	must.OK(t, err)
	defer func() { must.OK(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), statement)
	must.OK(t, err)
}

// TestCommandsOfASeedersPageWork as they are, with a subject that a shell would take apart.
func TestCommandsOfASeedersPageWork(t *testing.T) {
	t.Parallel()
	log, target := testdb.SQLite(t), testdb.SQLite(t)
	l := storetest.Open(t, log)
	storetest.Create(t, l, "orders", 10)
	events := storetest.Events(1, 6)
	for i := range events {
		events[i].Subject = "it's $HOME; " + fmt.Sprint(i%2)
	}
	storetest.Append(t, l, "orders", events)
	server := operate(t, log)
	from := server.feeds + "/feeds/orders"
	shell(t, "seeder run --from "+from+" --into "+target+" --until 1")
	execSQLite(t, target, "CREATE TRIGGER odd BEFORE INSERT ON eventfeed_inbox_feed_events WHEN NEW.subject LIKE '%1' BEGIN SELECT RAISE(ABORT, 'odd'); END")
	o := follower(t, from, target, "--on-error", "park")
	s := o.waitState(t, "with parked events", func(s *html.Seeder) bool { return s.Parked.Events == 3 && len(s.Parked.Failed) == 1 })
	failed := s.Parked.Failed[0]
	if failed.Position != 2 || failed.Subject != events[1].Subject || !strings.Contains(failed.Error, "odd") || s.Parked.More {
		t.Errorf("parked: %+v", s.Parked)
	}
	for _, line := range []string{failed.Inspect, s.Parked.Inspect} {
		if out := shell(t, line); strings.Count(out, "it's $HOME; 1") != 3 || !strings.Contains(out, "waits for an earlier event") {
			t.Errorf("%s:\n%s", line, out)
		}
	}
	must.OK(t, o.process.Process.Signal(syscall.SIGTERM))
	must.OK(t, <-o.ended)
	execSQLite(t, target, "DROP TRIGGER odd")
	if out := shell(t, failed.Retry); !strings.Contains(out, "3 events applied, 0 still parked") {
		t.Errorf("%s:\n%s", failed.Retry, out)
	}
	if out := shell(t, s.Parked.Retry); !strings.Contains(out, "0 events applied, 0 still parked") {
		t.Errorf("%s:\n%s", s.Parked.Retry, out)
	}
}

// TestASeedersPageSaysWhatIsUnavailable, and shows all that is known meanwhile.
func TestASeedersPageSaysWhatIsUnavailable(t *testing.T) {
	t.Parallel()
	log, target := testdb.SQLite(t), testdb.SQLite(t)
	path := strings.TrimPrefix(target, "sqlite:")
	l := storetest.Open(t, log)
	storetest.Create(t, l, "orders", 10)
	storetest.Append(t, l, "orders", storetest.Events(1, 25))
	server := operate(t, log)
	file := filepath.Join(t.TempDir(), "shop.sql")
	must.OK(t, os.WriteFile(file, []byte(strings.Replace(poison, "T\n", storetest.Events(1, 1)[0].Type+"\n", 1)), 0o600))
	o := follower(t, server.feeds+"/feeds/orders", target, "--projection", file, "--on-error", "park")
	before := o.waitState(t, "following", func(s *html.Seeder) bool { return s.State == html.SeederFollowing && len(s.Parked.Failed) == 1 })
	if len(before.Troubles) > 0 || before.Feeds[0].Position != 25 {
		t.Errorf("before: %+v", before)
	}

	must.OK(t, os.Rename(path, path+".away"))
	storetest.Append(t, l, "orders", storetest.Events(26, 26))
	s := o.waitState(t, "without a target", func(s *html.Seeder) bool { return s.State == html.SeederWaiting && s.Parked.Error != "" })
	trouble := s.Troubles[0]
	if trouble.Kind != "target" || !strings.Contains(trouble.Error, "put it back") || trouble.Command != "seeder status --into "+target+" --offline" {
		t.Errorf("trouble: %+v", trouble)
	}
	if s.Feeds[0].Position != 25 || s.Feeds[0].Head != 26 || len(s.Parked.Failed) != 1 || s.Types[0].Applied != 25-s.Parked.Events {
		t.Errorf("what was known: %+v", s)
	}
	must.OK(t, os.Rename(path+".away", path))
	o.waitState(t, "following again", func(s *html.Seeder) bool {
		return s.State == html.SeederFollowing && s.Feeds[0].Position == 26 && s.Parked.Error == ""
	})

	must.OK(t, server.process.Process.Kill())
	s = o.waitState(t, "without a server", func(s *html.Seeder) bool { return s.State == html.SeederWaiting })
	trouble = s.Troubles[0]
	if trouble.Kind != "server" || trouble.About != server.feeds || trouble.Command != "seeder inspect "+server.feeds+"/feeds/orders" || !strings.Contains(s.Sentence, server.feeds+" is unavailable, since ") {
		t.Errorf("%s\ntrouble: %+v", s.Sentence, trouble)
	}
	if s.Feeds[0].Position != 26 || len(s.Parked.Failed) != 1 {
		t.Errorf("what was known: %+v", s)
	}
}

// TestASeedersPageShowsNoPassword, also while nothing of what has one can be reached.
func TestASeedersPageShowsNoPassword(t *testing.T) {
	t.Parallel()
	for into, from := range map[string]string{
		"postgres://u:sekret@127.0.0.1:1/db?password=sekret": "http://u:sekret@127.0.0.1:1/feeds/a?token=sekret",
		testdb.SQLite(t): "http://u:sekret@127.0.0.1:1/feeds/a?token=sekret",
	} {
		o := follower(t, from, into, "--bearer-file", secretFile(t))
		o.waitState(t, "waiting", func(s *html.Seeder) bool { return s.State == html.SeederWaiting })
		for _, form := range []string{"text", "html", "json"} {
			status, body := ask(t, o.private+"/?format="+form)
			if status != 200 || strings.Contains(body, secretWord) || !strings.Contains(body, "127.0.0.1:1") {
				t.Errorf("%s: %d\n%s", form, status, body)
			}
		}
	}
}

func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	must.OK(t, os.WriteFile(path, []byte(secretWord+"-0123456789"), 0o600))
	return path
}

// TestASeedersPageStaysSmall, whatever events, errors and names hold.
func TestASeedersPageStaysSmall(t *testing.T) {
	t.Parallel()
	log, target := testdb.SQLite(t), testdb.SQLite(t)
	l := storetest.Open(t, log)
	storetest.Create(t, l, "orders", 200)
	events := storetest.Events(1, 300)
	long := strings.Repeat("<b>\u202e\U0001F600", 120)
	for i := range events {
		events[i].Subject, events[i].Type = fmt.Sprint(i)+long[:1000], fmt.Sprint(i)+long[:1000]
	}
	storetest.Append(t, l, "orders", events)
	server := operate(t, log)
	from := server.feeds + "/feeds/orders"
	shell(t, "seeder run --from "+from+" --into "+target+" --until 1")
	execSQLite(t, target, "CREATE TRIGGER odd BEFORE INSERT ON eventfeed_inbox_feed_events BEGIN SELECT RAISE(ABORT, '"+strings.Repeat("<script>\u202e", 5000)+"'); END")
	o := follower(t, from, target, "--on-error", "park")
	s := o.waitState(t, "with parked events", func(s *html.Seeder) bool { return s.Parked.Events == 299 && s.Parked.FailedEvents == 299 })
	if len(s.Parked.Failed) != 50 || !s.Parked.More || len(s.Types) != 50 || s.MoreTypes != 249 {
		t.Errorf("%d parked events, more %v, %d types and %d more", len(s.Parked.Failed), s.Parked.More, len(s.Types), s.MoreTypes)
	}
	if len(s.Parked.Errors) != 1 || s.Parked.Errors[0].Events != 299 || s.Parked.Errors[0].Example.Position != 2 || s.Parked.Errors[0].Example.Data != `{"n":2}` {
		t.Errorf("the same error of all events is not one cause with an example: %+v", s.Parked.Errors)
	}
	if !slices.IsSortedFunc(s.Parked.Failed, func(a, b html.SeederParkedEvent) int { return int(a.Position - b.Position) }) || s.Parked.Failed[0].Position != 2 {
		t.Error("they are not the first ones, in order")
	}
	for form, most := range map[string]int{"text": 30_000, "html": 1_000_000, "json": 1_500_000} {
		_, body := ask(t, o.private+"/?format="+form)
		if len(body) > most || strings.Contains(body, "\u202e") && form != "html" || form == "html" && strings.Contains(body, "<script") {
			t.Errorf("%s: %d bytes, want at most %d\n%.3000s", form, len(body), most, body)
		}
	}
}

// TestASeedersPageWaitsForNobody: while another session locks the parked events, the page shows
// what it knows, and the run goes on.
func TestASeedersPageWaitsForNobody(t *testing.T) {
	t.Parallel()
	log, target := testdb.SQLite(t), testdb.Postgres(t)
	l := storetest.Open(t, log)
	storetest.Create(t, l, "orders", 10)
	events := storetest.Events(1, 3)
	events[1].DataSchema = "urn:odd"
	storetest.Append(t, l, "orders", events)
	server := operate(t, log)
	from := server.feeds + "/feeds/orders"
	shell(t, "seeder run --from "+from+" --into '"+target+"' --until 1")
	conn, err := pgx.Connect(t.Context(), target)
	must.OK(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	_, err = conn.Exec(t.Context(), "ALTER TABLE eventfeed_inbox.feed_events ADD CHECK (dataschema IS NULL)")
	must.OK(t, err)
	o := follower(t, from, target, "--on-error", "park")
	o.waitState(t, "with a parked event", func(s *html.Seeder) bool { return len(s.Parked.Failed) == 1 })

	_, err = conn.Exec(t.Context(), "BEGIN; LOCK TABLE eventfeed_seed.parked")
	must.OK(t, err)
	s := o.waitState(t, "without a new list", func(s *html.Seeder) bool { return s.Parked.Error != "" })
	if s.State != html.SeederFollowing || len(s.Parked.Failed) != 1 || s.Parked.Read == nil || s.Now.Sub(*s.Parked.Read) > time.Minute {
		t.Errorf("meanwhile: %+v", s)
	}
	storetest.Append(t, l, "orders", storetest.Events(4, 4))
	o.waitState(t, "going on", func(s *html.Seeder) bool { return s.Feeds[0].Position == 4 })
	_, err = conn.Exec(t.Context(), "COMMIT")
	must.OK(t, err)
	o.waitState(t, "with a new list", func(s *html.Seeder) bool { return s.Parked.Error == "" && len(s.Parked.Failed) == 1 })
}
