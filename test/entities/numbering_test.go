//go:build unix

package entities_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
)

// output is what a process has said so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestFeedIsNumberedWhileWritersGoOn: eight of them, half of their transactions REPEATABLE
// READ; one transaction stays open, one is prepared, and the command is killed on its way.
func TestFeedIsNumberedWhileWritersGoOn(t *testing.T) {
	t.Parallel()
	history, entities := 5000, 200
	if long() {
		history = 500000
	}
	feedserver := filepath.Join(t.TempDir(), "feedserver")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", feedserver, "../../cmd/feedserver").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c := newCluster(t)
	l := storetest.Open(t, c.URL())
	startPublisher(t, l)
	f := storetest.Create(t, l, "f", 0)
	c.Execute(t, tables)
	c.Execute(t, fmt.Sprintf(`
		INSERT INTO counters SELECT 'e' || n, 0 FROM generate_series(0, %d) n UNION VALUES ('open', 1), ('prepared', 1);
		INSERT INTO done VALUES ('open'), ('prepared')`, entities-1))
	for first := 0; first < history; first += 1000 {
		c.Execute(t, fmt.Sprintf(`
			WITH new AS (SELECT n, 'h' || n AS id, 'e' || n %% %d AS subject FROM generate_series(%d, %d) n),
			named AS (INSERT INTO done SELECT id FROM new),
			counted AS (UPDATE counters c SET n = c.n + g.n FROM (SELECT subject, count(*) AS n FROM new GROUP BY subject) g WHERE c.entity = g.subject)
			SELECT eventfeed.append_many('f', array_agg(id ORDER BY n), NULL, array_agg('T'::text), array_agg(subject ORDER BY n), NULL, NULL, NULL, NULL, NULL) FROM new`,
			entities, first, first+999))
	}
	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), c.URL())
		must.OK(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	eventually(t, "the history has positions", func() bool {
		at, err := l.Feed(t.Context(), "f")
		must.OK(t, err)
		return at.Position == int64(history)
	})
	open, other := connect(), connect()
	for _, statement := range []string{"BEGIN", "SELECT eventfeed.append('f', 'T', 'prepared', '{}', id => 'prepared')", "PREPARE TRANSACTION 'left'"} {
		_, err := other.Exec(t.Context(), statement)
		must.OK(t, err)
	}
	_, err := open.Exec(t.Context(), "BEGIN")
	must.OK(t, err)
	_, err = open.Exec(t.Context(), "SELECT eventfeed.append('f', 'T', 'open', '{}', id => 'open')")
	must.OK(t, err)

	r := newRecord()
	j := job{Database: c.URL(), Feed: "f", Entities: entities, Writers: 4, Prepares: true, Seed: rand.Uint64()}
	begin := func(name string) *process {
		j.Name = name
		j.Seed++
		return start(t, r, j)
	}
	one, two := begin("one"), begin("two")
	r.waitFor(50)

	first, _ := number(t, feedserver, c.URL())
	eventually(t, "a part of the history is numbered", func() bool {
		var position int64
		err := other.QueryRow(t.Context(), "SELECT position FROM eventfeed.entity_numbering WHERE feed = $1", f.Key).Scan(&position)
		return err == nil && position >= int64(history/3)
	})
	must.OK(t, first.Process.Signal(syscall.SIGKILL))
	if err := first.Wait(); err == nil || first.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the command ended before it was killed: %v", err)
	}
	_, err = other.Exec(t.Context(), "SELECT eventfeed.version('f', 'e0')")
	if refusal, is := errors.AsType[*pgconn.PgError](err); !is || refusal.Code != "55000" || !strings.Contains(refusal.Message, "is being numbered") {
		t.Errorf("version of a feed that is half numbered: %v", err)
	}
	storetest.Verify(t, l, "f")
	r.waitFor(r.count() + 50) // writers go on

	second, said := number(t, feedserver, c.URL())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("feedserver entities: %s", said)
		}
	})
	waitsFor := fmt.Sprintf("session %d of postgres", open.PgConn().PID())
	eventually(t, "the command names what it waits for: "+waitsFor+", and the prepared transaction", func() bool {
		return strings.Contains(said.String(), waitsFor) && strings.Contains(said.String(), "prepared transaction 'left', since ")
	})
	r.waitFor(r.count() + 50) // also while it waits
	_, err = open.Exec(t.Context(), "COMMIT")
	must.OK(t, err)
	_, err = other.Exec(t.Context(), "COMMIT PREPARED 'left'")
	must.OK(t, err)
	if err := second.Wait(); err != nil || !strings.Contains(said.String(), "feed f has entities") {
		t.Fatalf("feedserver entities: %v\n%s", err, said)
	}
	j.Expecting, j.Transactions = 6, 10
	begin("three").wait(t)
	one.stop(t)
	two.stop(t)
	check(t, l, "pgx", c.URL(), "f", r)
}

// number starts feedserver entities, with the rights of a server.
func number(t *testing.T, feedserver, database string) (*exec.Cmd, *output) {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), feedserver, "entities", "f", "--db", testdb.As(database, testdb.Server))
	said := &output{}
	command.Stdout, command.Stderr = said, said
	must.OK(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command, said
}
