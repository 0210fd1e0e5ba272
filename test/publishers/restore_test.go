//go:build unix

package publishers_test

import (
	"bytes"
	"database/sql"
	"errors"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/eventfeed/eventfeed/internal/cli"
	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
	"github.com/eventfeed/eventfeed/internal/testing/testdb"
	"github.com/eventfeed/eventfeed/internal/testing/testrabbit"
)

// backedUp is the position of the backup.
const backedUp = 20

// restore publishes a history whose source is then restored, twice, from the same backup. Each time the
// publisher stops until somebody rewinds it, and then the consumers do; they end with the source's state.
func restore(t *testing.T, node *testrabbit.Node, seeder string) {
	b := newBench(t, node, rand.New(rand.NewPCG(1, 1)), testdb.SQLite(t), queue, "later")
	source := testdb.SQLite(t)
	b.serve(t, storetest.Open(t, source))
	storetest.Create(t, b.log, "orders", 10)
	b.append(t, backedUp)
	backup := filepath.Join(t.TempDir(), "backup.db")
	vacuumInto(t, source, backup)
	b.append(t, 10)
	run := func() []string {
		return []string{seeder, "run", "--from", b.from, "--into", b.into, "--publish", b.exchange(node.Address())}
	}
	finish(t, run()...)
	quick, slow := newConsumer(t, b.log), newConsumer(t, b.log)
	b.follow(t, quick, b.read(t, queue), 0)

	for restored := range 2 {
		copied := filepath.Join(t.TempDir(), "restored.db")
		vacuumInto(t, "sqlite:"+backup, copied)
		b.serve(t, storetest.Open(t, "sqlite:"+copied))
		must.OK(t, b.log.NewEpoch(t.Context(), "orders", "restored"))
		b.append(t, 8+7*restored)
		rewind(t, run())
		finish(t, run()...)
		b.follow(t, quick, b.read(t, queue), 1)
	}
	// Its queue holds the lost events of both histories before those of the present one.
	b.follow(t, slow, b.read(t, "later"), 2)
}

// vacuumInto copies a SQLite database.
func vacuumInto(t *testing.T, url, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:"))
	must.OK(t, err)
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(t.Context(), "VACUUM INTO ?", path)
	must.OK(t, err)
}

// wayOn is the command that a run prints which cannot go on.
var wayOn = regexp.MustCompile(`(?m)^go back to the common part.* with: seeder (rewind .*)$`)

// rewind runs a publisher that cannot go on, and the command that it prints.
func rewind(t *testing.T, run []string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), run[0], run[1:]...)
	var said bytes.Buffer
	command.Stderr = &said
	exit := &exec.ExitError{}
	if err := command.Run(); !errors.As(err, &exit) || exit.ExitCode() != cli.StatusMismatch {
		t.Fatalf("a publisher whose source was restored ends with %v, want status %d:\n%s", err, cli.StatusMismatch, &said)
	}
	found := wayOn.FindSubmatch(said.Bytes())
	if found == nil {
		t.Fatalf("it does not say how to go on:\n%s", &said)
	}
	arguments := append(strings.Fields(string(found[1])), "--yes")
	if got := arguments[len(arguments)-2]; got != "20" {
		t.Errorf("it goes back to position %s, want %d", got, backedUp)
	}
	finish(t, append(run[:1:1], arguments...)...)
}

// follow applies messages to a consumer, for whom somebody takes back what the publisher has gone back
// behind, so many times. In the end the consumer has the source's state.
func (b *bench) follow(t *testing.T, c *consumer, messages []message, wantBack int) {
	t.Helper()
	backs := 0
	for _, m := range messages {
		err := c.take(m, func(int64) (message, error) { return message{}, errors.New("there is a gap") })
		if back, is := errors.AsType[*backError](err); is {
			if backs++; back.to != backedUp || !m.marker {
				t.Fatalf("position %d, marker: %v: %v", m.position, m.marker, back)
			}
			c.takeBack(back.to)
			err = c.take(m, nil)
		}
		must.OK(t, err)
	}
	if backs != wantBack {
		t.Errorf("the consumer was taken back %d times, want %d", backs, wantBack)
	}
	_, digest := storetest.Verify(t, b.log, "orders")
	c.wantState(t, storetest.Read(t, b.log, "orders"), digest)
}
