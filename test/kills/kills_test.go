//go:build unix

// Package kills_test kills seeders at random moments, while they bring two
// feeds into one order, and sees that nothing of the result changes.
package kills_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/testing/must"
	"github.com/eventfeed/eventfeed/internal/testing/storetest"
)

// Kills of each database's seeders. Starting one on PostgreSQL takes longer.
const (
	sqliteKills   = 50
	postgresKills = 20
)

// TestKillingTheSeederChangesNothing: two feeds are seeded in one run, in the
// order of time, by a seeder that is killed again and again. In the end each
// event was applied once, in that order, and the target is the same as one that
// was seeded without a break.
func TestKillingTheSeederChangesNothing(t *testing.T) {
	t.Parallel()
	seeder := build(t)
	for name, test := range map[string]struct {
		open  func(*testing.T) target
		kills int
	}{
		"sqlite":   {openSQLite, sqliteKills},
		"postgres": {openPostgres, postgresKills},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t)
			whole, broken := test.open(t), test.open(t)
			finish(t, seeder, s, whole)
			killAll(t, seeder, s, broken, test.kills)
			finish(t, seeder, s, broken)

			want := s.inTimeOrder(t)
			for _, to := range []target{whole, broken} {
				if got := to.applied(t); !slices.Equal(got, want) {
					t.Errorf("%d events were applied, want %d; the first ones that differ: %s", len(got), len(want), differ(got, want))
				}
			}
			if one, other := whole.contents(t), broken.contents(t); !slices.Equal(one, other) {
				t.Errorf("the target of the killed seeder holds other rows: %s", differ(other, one))
			}
			for _, f := range s.names {
				position, digest := storetest.Verify(t, s.log, f)
				for _, to := range []target{whole, broken} {
					if at := to.checkpoints(t)[f]; at.position != position || at.digest != digest {
						t.Errorf("checkpoint of feed %s is at %+v, the feed at position %d with digest %s", f, at, position, digest)
					}
				}
			}
		})
	}
}

func differ(got, want []string) string {
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return fmt.Sprintf("%.300q, want %.300q", got[min(i, len(got)):min(i+5, len(got))], want[i:min(i+5, len(want))])
		}
	}
	return fmt.Sprintf("%.300q, want none", got[len(want):])
}

// killAll starts seeders and kills each at a random moment of its work: every
// other one as soon as it asks for archives, the rest when it has got further
// than the one before it. None gets to the end.
func killAll(t *testing.T, seeder string, s *source, to target, kills int) {
	t.Helper()
	number := rand.Uint64()
	t.Logf("the moments are those of number %d", number)
	random := rand.New(rand.NewPCG(number, 0))
	defer s.admit(s.pages)
	moved, before := 0, int64(0)
	for kill := range kills {
		working := s.admit(s.pages * int64(kill+2) / int64(kills+2))
		command, said := start(t, seeder, s, to)
		select {
		case <-working:
		case <-time.After(time.Minute):
			t.Fatalf("seeder %d asks for nothing: %s", kill, said)
		}
		if kill%2 == 1 {
			waitBeyond(t, to, before, said)
		}
		time.Sleep(time.Duration(random.Int64N(int64(50 * time.Millisecond))))
		must.OK(t, command.Process.Signal(syscall.SIGKILL))
		if err := command.Wait(); err == nil || command.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("seeder %d ended before it was killed: %v\n%s", kill, err, said)
		}
		if at := wantWhole(t, to); at > before {
			moved, before = moved+1, at
		}
	}
	if moved < kills/2 || before == 0 || before >= int64(len(s.inTimeOrder(t))) {
		t.Errorf("between %d kills the target moved on %d times, up to %d events: they were not at work", kills, moved, before)
	}
}

// waitBeyond waits until more events are in than there were.
func waitBeyond(t *testing.T, to target, before int64, said *output) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		var now int64
		for _, at := range to.checkpoints(t) {
			now += at.position
		}
		if now > before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the seeder gets no further than %d events: %s", before, said)
		}
	}
}

// wantWhole makes sure that the target holds all events up to the checkpoints
// and no others, and returns how many that are.
func wantWhole(t *testing.T, to target) (events int64) {
	t.Helper()
	applied := make(map[string]int64)
	lines, checkpoints := to.both(t)
	for _, line := range lines {
		feed, _, _ := strings.Cut(line, " ")
		applied[feed]++
		if want := fmt.Sprint(feed, " ", applied[feed]); line != want {
			t.Fatalf("%s was applied where %s was next", line, want)
		}
		events++
	}
	for feed, at := range checkpoints {
		if at.position != applied[feed] {
			t.Fatalf("checkpoint of feed %s is at %d, %d of its events are in", feed, at.position, applied[feed])
		}
	}
	return events
}

// build builds the seeder as it is shipped.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "seeder")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/seeder").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

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

func start(t *testing.T, seeder string, s *source, to target) (*exec.Cmd, *output) {
	t.Helper()
	arguments := []string{"run", "--into", to.url(), "--prefetch", "4"}
	for _, name := range s.names {
		arguments = append(arguments, "--from", s.web.URL+"/feeds/"+name)
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), seeder, arguments...)
	said := &output{}
	command.Stdout, command.Stderr = said, said
	must.OK(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command, said
}

// finish lets a seeder end by itself.
func finish(t *testing.T, seeder string, s *source, to target) {
	t.Helper()
	command, said := start(t, seeder, s, to)
	if err := command.Wait(); err != nil {
		t.Fatalf("seeder: %v\n%s", err, said)
	}
}
