//go:build unix

package program_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventfeed/eventfeed/internal/program"
)

// Told to stop, a program may end what it was given, and what it acknowledges
// then counts.
func TestStopLetsTheProgramEndItsWork(t *testing.T) {
	t.Parallel()
	r := try(t, program.Config{Command: `while IFS= read -r e; do echo "$e" >>$HERE/seen; done; sleep 0.3; echo 2; echo bye >$HERE/bye`})
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
			r := try(t, program.Config{Command: command, Grace: 200 * time.Millisecond, Silence: 100 * time.Millisecond})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- r.deliver(ctx, events(orders, 1, 1)) }()
			r.wait("it works, or it does not", func() bool { return len(r.file("seen")) == 1 || strings.Contains(r.log.String(), "nothing") })
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

// A seeder that is killed leaves its program to nobody: it sees the end of its
// input, and if that does not move it, it is killed.
func TestProgramEndsWithASeederThatIsKilled(t *testing.T) {
	t.Parallel()
	r := try(t, program.Config{}) // for its folder
	seeder := exec.CommandContext(t.Context(), os.Args[0])
	seeder.Env = append(os.Environ(), "RUN=HERE='"+r.folder+"'; export HERE; trap '' TERM; >$HERE/up; sleep 1000")
	if err := seeder.Start(); err != nil {
		t.Fatal(err)
	}
	r.wait("the program runs", func() bool { _, err := os.Stat(r.folder + "/up"); return err == nil })
	if err := seeder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = seeder.Wait()
	r.isGone()
}

// TestMain is a seeder, if it is told what to run.
func TestMain(m *testing.M) {
	command := os.Getenv("RUN")
	if command == "" {
		os.Exit(m.Run())
	}
	p := program.New(program.Config{Command: command, Feeds: []program.Feed{orders}, Grace: 200 * time.Millisecond})
	_ = p.Deliver(context.Background(), events(orders, 1, 1), func(int) error { return nil })
}

// After an error of the engine's own, as where its database was away, what the
// program has or had is not handed over again.
func TestErrorOfTheEngineRepeatsNothing(t *testing.T) {
	t.Parallel()
	r := try(t, program.Config{Command: each(worker + "; while [ $p = 30 ] && [ ! -e $HERE/go ]; do sleep 0.02; done")})
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
	r := try(t, program.Config{Command: each(worker + "; [ $p != 3 ] || exit 7")})
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
