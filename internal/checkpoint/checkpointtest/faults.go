package checkpointtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/eventfeed/eventfeed/event"
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
	b := t.Target.Open(dryRun)
	parker, parks := b.(checkpoint.Parker)
	rewinder, goesBack := b.(checkpoint.Rewinder)
	if parks && goesBack {
		return fullBackend{backend{b, t.faults}, parker, rewinder}
	}
	return backend{b, t.faults}
}

// backend has faults in what every backend does.
type backend struct {
	checkpoint.Backend
	*faults
}

// fullBackend has faults also in what a database does beside that.
type fullBackend struct {
	backend
	checkpoint.Parker
	checkpoint.Rewinder
}

func (b fullBackend) Entities(ctx context.Context, consumer string) (found map[checkpoint.Entity]bool, err error) {
	err = b.of(func() error {
		found, err = b.Parker.Entities(ctx, consumer)
		return err
	})
	return found, err
}

func (b fullBackend) Rewind(ctx context.Context, from, to checkpoint.Checkpoint) error {
	return b.of(func() error { return b.Rewinder.Rewind(ctx, from, to) })
}

func (b fullBackend) Reset(ctx context.Context, all []checkpoint.Checkpoint) error {
	return b.of(func() error { return b.Rewinder.Reset(ctx, all) })
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
		return b.Backend.Step(ctx, moves, func(tx checkpoint.Tx) error {
			if parks, can := tx.(checkpoint.ParkTx); can {
				return do(parkTransaction{parks, b.faults})
			}
			return do(transaction{tx, b.faults})
		})
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

// parkTransaction is a transaction in which events can be parked.
type parkTransaction struct {
	checkpoint.ParkTx
	*faults
}

func (t parkTransaction) Apply(ctx context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	return transaction{t.ParkTx, t.faults}.Apply(ctx, b)
}

func (t parkTransaction) Park(ctx context.Context, events []checkpoint.Parked) error {
	return t.of(func() error { return t.ParkTx.Park(ctx, events) })
}

func (t parkTransaction) NextParked(ctx context.Context, of checkpoint.Shelf, after checkpoint.ParkedPlace) (found []checkpoint.Parked, err error) {
	err = t.of(func() error {
		found, err = t.ParkTx.NextParked(ctx, of, after)
		return err
	})
	return found, err
}

func (t parkTransaction) Unpark(ctx context.Context, e *checkpoint.Parked) error {
	return t.of(func() error { return t.ParkTx.Unpark(ctx, e) })
}

func (t parkTransaction) KeepParked(ctx context.Context, e *checkpoint.Parked) error {
	return t.of(func() error { return t.ParkTx.KeepParked(ctx, e) })
}

// failures lets each call fail in turn, once without having done anything and once after
// it has: then its caller does not know, as after a lost connection.
func failures(t *testing.T, p Place) {
	position := int64(0)
	eachFailure(t, p.Target, func(s *checkpoint.Session) error { return read(t.Context(), s, position+4) }, func() { position += 4 })
	holds(t, p, position)
}

// eachFailure does something with a session of a target, each time with a fault in another
// call, and once more with the same session, where there is none. It calls done after that.
func eachFailure(t *testing.T, of checkpoint.Target, do func(*checkpoint.Session) error, done func()) {
	t.Helper()
	for _, after := range []bool{false, true} {
		for call, more := 0, true; more; call++ {
			f := &faults{call: call, after: after, wrong: func() error { return errInjected }}
			s := checkpoint.Open(target{of, f}, false)
			err := do(s)
			more = err != nil // else there are no more calls
			if more && !errors.Is(err, errInjected) {
				t.Fatalf("call %d, after it %t: %v", call, after, err)
			}
			if more {
				if err := do(s); err != nil {
					t.Fatalf("once more after call %d, after it %t: %v", call, after, err)
				}
			}
			s.Close()
			done()
		}
	}
}

// failuresInParking parks the first of four events, and applies it later.
func failuresInParking(t *testing.T, p Place) {
	position, refused := int64(0), ""
	eachFailure(t, choosy{p.Target, &refused}, func(s *checkpoint.Session) error {
		refused = fmt.Sprint(position + 1)
		s.Park(func(*event.Delivered, error) {})
		err := read(t.Context(), s, position+4)
		refused = ""
		if err == nil {
			_, err = s.Retry(t.Context(), []checkpoint.Checkpoint{at(position + 4)}, checkpoint.Shelf{Consumer: consumer})
		}
		return err
	}, func() { position += 4 })
	applied := p.Applied(t)
	slices.Sort(applied)
	for i, got := range applied {
		if got != int64(i+1) {
			t.Fatalf("applied %v", applied)
		}
	}
	if int64(len(applied)) != position {
		t.Errorf("applied %d of %d", len(applied), position)
	}
}

// failuresInGoingBack goes back, and starts over.
func failuresInGoingBack(t *testing.T, p Place) {
	ctx := t.Context()
	eachFailure(t, p.Target, func(s *checkpoint.Session) error {
		if err := read(ctx, s, 4); err != nil {
			return err
		}
		if err := s.Rewind(ctx, at(4), at(2)); err != nil {
			return err
		}
		return s.Reset(ctx, []checkpoint.Checkpoint{at(2)})
	}, func() { holds(t, p, -1) })
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

// RunDeaths kills a process before and after each of its calls, at a place that newPlace
// makes, which must have a URL: nothing is lost, and nothing applied twice. Main must run
// the package's tests.
func RunDeaths(t *testing.T, newPlace func(t *testing.T) Place) {
	p := newPlace(t)
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
