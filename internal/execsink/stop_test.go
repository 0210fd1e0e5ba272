//go:build unix

package execsink_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
	"github.com/eventfeed/eventfeed/internal/execsink"
	"github.com/eventfeed/eventfeed/internal/testing/need"
)

// Told to stop, a program may end what it was given, and what it acknowledges
// then counts.
func TestStopLetsTheProgramEndItsWork(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: `while IFS= read -r e; do echo "$e" >>$HERE/seen; done; sleep 0.3; echo 2; echo bye >$HERE/bye`})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.deliver(ctx, events(orders, 1, 3)) }()
	r.wait("it has read", func() bool { return len(r.file("seen")) == 3 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || r.last() != 2 || len(r.file("bye")) != 1 {
		t.Errorf("%v, told on: %v", err, r.told)
	}
}

// Nothing that a program has started is left behind, however it ends.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]string{
		"deaf":                    `trap '' TERM; sleep 1000`,
		"its child is deaf":       `sh -c "trap '' TERM HUP; while :; do sleep 1; done" & ` + each(worker) + `; wait`,
		"ends before its child":   `sleep 1000 & ` + each(worker),
		"in a pipeline":           `tee $HERE/all | ` + each(worker),
		"nothing reads its input": `sleep 1000 | cat`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := try(t, execsink.Config{Command: command, Grace: 200 * time.Millisecond, Silence: 100 * time.Millisecond})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.deliver(ctx, events(orders, 1, 1)) }()
			r.wait("it works, or it does not", func() bool {
				return len(r.file("seen")) == 1 || strings.Contains(r.log.String(), "acknowledges no events")
			})
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			r.Close()
			if all := r.processes(); len(all) > 0 {
				t.Error(all)
			}
		})
	}
}

// leaves starts one that gets away from its parent, from its group and from its
// session.
func leaves(t *testing.T) string {
	t.Helper()
	return need.Tool(t, "python3") + ` -c '
import os, signal, time
for leave in (os.setsid, os.getpid):
    if os.fork(): os._exit(0)
    leave()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(os.environ["HERE"] + "/away", "w").close()
time.sleep(1000)'; while [ ! -e $HERE/away ]; do sleep 0.02; done; `
}

// TestWhatLeavesTheGroupIsKilledToo, where the system lets a process be found that
// does not want to be.
func TestWhatLeavesTheGroupIsKilledToo(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells whose child was whose")
	}
	for name, end := range map[string]string{"it ends": "exit 0", "it is killed": "kill -9 $$", "it is ended": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := try(t, execsink.Config{Command: leaves(t) + each(worker+"; "+cmp.Or(end, ":")), Grace: 200 * time.Millisecond})
			if err := r.deliver(t.Context(), events(orders, 1, 1)); err != nil {
				t.Fatal(err)
			}
			r.Close()
			if all := r.processes(); len(all) > 0 {
				t.Error(all)
			}
		})
	}
}

// TestKillDoesNotWait: not for the program to end what it was given, nor for the
// call that it is in; and no more of it is heard.
func TestKillDoesNotWait(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: leaves(t) + `trap '' TERM; ` + each(worker+"; [ $p != 2 ] || sleep 1000"), Grace: time.Hour})
	done := make(chan error, 1)
	go func() { done <- r.deliver(t.Context(), events(orders, 1, 5)) }()
	r.wait("it is in the second call", func() bool { return len(r.file("seen")) == 2 })
	r.Kill()
	if err := <-done; !errors.Is(err, execsink.ErrKilled) {
		t.Error(err)
	}
	if all := r.processes(); len(all) > 0 {
		t.Error(all)
	}
	if err := r.deliver(t.Context(), events(orders, 1, 5)); !errors.Is(err, execsink.ErrKilled) {
		t.Error(err)
	}
	if seen := r.file("seen"); !slices.Equal(seen, numbers(1, 2)) {
		t.Error(seen)
	}
}

// seederThatRuns starts a seeder of a process of its own whose program is at work.
func seederThatRuns(t *testing.T, r *trial, command string, environment ...string) *exec.Cmd {
	t.Helper()
	seeder := exec.CommandContext(t.Context(), os.Args[0])
	seeder.Env = append(append(os.Environ(), environment...), "RUN=HERE='"+r.folder+"'; export HERE; "+command+"; >$HERE/up; sleep 1000")
	if err := seeder.Start(); err != nil {
		t.Fatal(err)
	}
	r.wait("the program runs", func() bool { _, err := os.Stat(r.folder + "/up"); return err == nil })
	return seeder
}

// TestProgramDiesWithASeederThatIsKilled, and all that it has started.
func TestProgramDiesWithASeederThatIsKilled(t *testing.T) {
	t.Parallel()
	for name, command := range map[string]func(*testing.T) string{
		"deaf":                   func(*testing.T) string { return "trap '' TERM HUP" },
		"with a child":           func(*testing.T) string { return "sleep 1000 & :" },
		"with one that has left": func(t *testing.T) string { return leaves(t) + ":" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := try(t, execsink.Config{}) // for its folder
			seeder := seederThatRuns(t, r, command(t))
			if err := seeder.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = seeder.Wait()
			r.isGone()
		})
	}
}

// TestProgramDiesWithItsSupervisor, which someone may kill: the seeder starts
// another one.
func TestProgramDiesWithItsSupervisor(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: `trap '' TERM; sleep 1000 & echo $PPID >>$HERE/supervisor; ` + each(worker+"; while [ $(wc -l <$HERE/supervisor) = 1 ]; do sleep 0.02; done")})
	done := make(chan error, 1)
	go func() { done <- r.deliver(t.Context(), events(orders, 1, 3)) }()
	r.wait("it is in the first call", func() bool { return len(r.file("seen")) == 1 })
	supervisor, err := strconv.Atoi(r.file("supervisor")[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.Close()
	if all := r.processes(); len(all) > 0 {
		t.Error(all)
	}
}

// TestLockLastsUntilAllOfTheProgramHasEnded: so whoever gets it next meets none of
// it at work, though the seeder is gone.
func TestLockLastsUntilAllOfTheProgramHasEnded(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{}) // for its folder
	path := r.folder + "/a.db"
	seeder := seederThatRuns(t, r, `trap '' TERM; sleep 1000 & :`, "LOCK="+path)
	if held, err := sqlitedb.IsLocked(path); err != nil || !held {
		t.Fatalf("held %v, %v", held, err)
	}
	if err := seeder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	lock, err := sqlitedb.Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if all := r.processes(); len(all) > 1 || len(all) == 1 && !strings.Contains(all[0], "eventfeed-exec") {
		t.Errorf("locked beside %v", all)
	}
	_ = seeder.Wait()
}

// TestProgramInheritsNothingButItsStandardFiles, such as the lock: it would last as
// long as what the program leaves behind.
func TestProgramInheritsNothingButItsStandardFiles(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	r := try(t, execsink.Config{}) // for its folder
	seederThatRuns(t, r, `echo /proc/$$/fd/* >$HERE/files`, "LOCK="+r.folder+"/a.db")
	names := func(files []string) []string {
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		return files
	}
	output, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "echo /proc/$$/fd/*").Output() // has what the test was started with
	if err != nil {
		t.Fatal(err)
	}
	if got, want := names(r.file("files")), names(strings.Fields(string(output))); !slices.Equal(got, want) {
		t.Errorf("it has %v, not %v", got, want)
	}
}

// TestMain is a seeder, if it is told what to run.
func TestMain(m *testing.M) {
	command := os.Getenv("RUN")
	if command == "" {
		os.Exit(m.Run())
	}
	config := execsink.Config{Command: command, Feeds: []execsink.Feed{orders}, Grace: time.Hour}
	if path := os.Getenv("LOCK"); path != "" {
		lock, err := sqlitedb.TryLock(path)
		if err != nil || lock == nil {
			panic(fmt.Sprint(lock, err))
		}
		config.Lock = lock.Share
	}
	_ = execsink.New(config).Deliver(context.Background(), events(orders, 1, 1), func(int) error { return nil })
}

// After an error of the engine's own, as where its database was away, what the
// program has or had is not handed over again.
func TestErrorOfTheEngineRepeatsNothing(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: each(worker + "; while [ $p = 30 ] && [ ! -e $HERE/go ]; do sleep 0.02; done")})
	away := errors.New("away")
	if err := r.Deliver(t.Context(), events(orders, 1, 50), func(int) error { return away }); !errors.Is(err, away) {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.folder+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.deliver(t.Context(), events(orders, 1, 60)); err != nil {
		t.Fatal(err)
	}
	if seen := r.file("seen"); !slices.Equal(seen, numbers(1, 60)) {
		t.Error(seen)
	}
}

// One that ends while there is nothing for it is started again when there is.
func TestProgramThatEndsWhileIdle(t *testing.T) {
	t.Parallel()
	r := try(t, execsink.Config{Command: each(worker + "; [ $p != 3 ] || exit 7")})
	if err := r.deliver(t.Context(), events(orders, 1, 3)); err != nil {
		t.Fatal(err)
	}
	r.wait("it has ended", func() bool { return len(r.processes()) == 0 })
	if err := r.deliver(t.Context(), events(orders, 4, 6)); err != nil {
		t.Fatal(err)
	}
	if seen := r.file("seen"); !slices.Equal(seen, numbers(1, 6)) {
		t.Error(seen)
	}
}
