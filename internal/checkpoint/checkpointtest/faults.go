package checkpointtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

var errInjected = errors.New("injected")

// faults makes one call of a backend, or of its transaction, go wrong: number call, from
// 0, before it is made or after it was.
type faults struct {
	call  int
	after bool
	wrong func() error // what happens then
	made  int
}

// of makes a call.
func (f *faults) of(do func() error) error {
	n := f.made
	f.made++
	if n == f.call && !f.after {
		return f.wrong()
	}
	err := do()
	if n == f.call && err == nil {
		err = f.wrong()
	}
	return err
}

// target is a target whose backends have faults.
type target struct {
	checkpoint.Target
	*faults
}

func (t target) Open(dryRun bool) checkpoint.Backend {
	return backend{t.Target.Open(dryRun), t.faults}
}

type backend struct {
	checkpoint.Backend
	*faults
}

func (b backend) Prepare(ctx context.Context) error {
	return b.of(func() error { return b.Backend.Prepare(ctx) })
}

func (b backend) Claim(ctx context.Context, consumer string) error {
	return b.of(func() error { return b.Backend.Claim(ctx, consumer) })
}

func (b backend) Load(ctx context.Context) (c checkpoint.Consumer, found []checkpoint.Checkpoint, err error) {
	err = b.of(func() error {
		c, found, err = b.Backend.Load(ctx)
		return err
	})
	return c, found, err
}

func (b backend) Begin(ctx context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, fresh bool) error {
	return b.of(func() error { return b.Backend.Begin(ctx, c, first, fresh) })
}

func (b backend) Step(ctx context.Context, moves []checkpoint.Move, do func(checkpoint.Tx) error) error {
	return b.of(func() error {
		return b.Backend.Step(ctx, moves, func(tx checkpoint.Tx) error { return do(transaction{tx, b.faults}) })
	})
}

type transaction struct {
	checkpoint.Tx
	*faults
}

func (t transaction) Apply(ctx context.Context, b checkpoint.Batch) (outcome checkpoint.Outcome, err error) {
	err = t.of(func() error {
		outcome, err = t.Tx.Apply(ctx, b)
		return err
	})
	return outcome, err
}

// failures lets each call fail in turn, once without having done anything and once after
// it has: then its caller does not know, as after a lost connection.
func failures(t *testing.T, p Place) {
	position := int64(0)
	for _, after := range []bool{false, true} {
		for call := 0; ; call++ {
			f := &faults{call: call, after: after, wrong: func() error { return errInjected }}
			s := checkpoint.Open(target{p.Target, f}, false)
			position += 4
			err := read(t.Context(), s, position)
			if err == nil { // there are no more calls
				s.Close()
				break
			}
			if !errors.Is(err, errInjected) {
				t.Fatalf("call %d, after it %t: %v", call, after, err)
			}
			if err := read(t.Context(), s, position); err != nil {
				t.Fatalf("goes on after call %d, after it %t: %v", call, after, err)
			}
			s.Close()
		}
	}
	holds(t, p, position)
}

// Variables that tell a process of the tests where to die.
const (
	urlVariable  = "EVENTFEED_CHECKPOINTTEST_URL"
	callVariable = "EVENTFEED_CHECKPOINTTEST_CALL"
)

// Main runs the tests of a package that calls Run. In a process that a test has started to
// die it reads the history into the place that open opens by its URL, instead.
func Main(m *testing.M, open func(url string) (checkpoint.Target, error)) {
	url := os.Getenv(urlVariable)
	if url == "" {
		os.Exit(m.Run())
	}
	if err := readAndDie(url, os.Getenv(callVariable), open); err != nil {
		panic(err)
	}
	os.Exit(0)
}

func readAndDie(url, call string, open func(url string) (checkpoint.Target, error)) error {
	of, err := open(url)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(call)
	if err != nil {
		return err
	}
	f := &faults{call: n / 2, after: n%2 == 1, wrong: func() error {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nothing is caught, flushed or closed
		select {}
	}}
	s := checkpoint.Open(target{of, f}, false)
	defer s.Close()
	return read(context.Background(), s, deathPosition)
}

// deathPosition is how far a process reads that is to die before.
const deathPosition = 4

// deaths kills a process before and after each of its calls.
func deaths(t *testing.T, p Place) {
	if p.URL == "" {
		t.Skip("no other process can reach it")
	}
	for call := 0; ; call++ {
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), urlVariable+"="+p.URL, callVariable+"="+strconv.Itoa(call))
		out, err := command.CombinedOutput()
		if err == nil { // there are no more calls
			break
		}
		if state, is := errors.AsType[*exec.ExitError](err); !is || state.ExitCode() >= 0 {
			t.Fatalf("call %d: %v: %s", call, err, out)
		}
	}
	holds(t, p, deathPosition)
}
