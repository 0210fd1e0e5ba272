// Package execsink hands events to a program of the user's, at least once and in
// order: as CloudEvents, one a line, on its standard input. The program
// acknowledges by printing positions, one a line.
//
// The way of an event: [Program.Deliver] encodes it, the process's writer puts
// it into the pipe, and the ledger notes that it was handed over; the process's
// reader takes the acknowledgement, and the ledger notes that. What was handed
// over to a program that ended, and was not acknowledged, is handed over to the
// next one, in the same order.
//
// What must hold: an event counts as acknowledged only if the program was given
// it and said so; per feed, a program that runs is given each position once and
// in order; and no process is left behind, whatever happens to this one.
package execsink

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// Defaults of a Config.
const (
	DefaultPatience = time.Minute
	DefaultGrace    = 10 * time.Second
	DefaultSilence  = 30 * time.Second
)

// Config says what to run.
type Config struct {
	// Command is for /bin/sh -c. It runs in a process group of its own, with the
	// working directory of this process.
	Command string
	// Environment is the program's. nil means what Environment gives of this
	// process's.
	Environment []string
	// Lock calls use with the descriptor of the lock that keeps other programs of
	// the consumer away. The lock lasts until all of the program has ended, also if
	// this process ends first. An error is returned by Deliver. nil means none.
	Lock func(use func(fd uintptr) error) error
	// Feeds are all that events will come from. Where it is one, the program may
	// print a position without the feed.
	Feeds []Feed
	// Patience is for how long a program is started again that ends before it
	// has acknowledged everything. Each acknowledgement renews it. 0 means
	// DefaultPatience, negative without end.
	Patience time.Duration
	// Grace is how long the program may take to end after its standard input
	// was closed, and again after SIGTERM. 0 means DefaultGrace.
	Grace time.Duration
	// Silence is after how long without an acknowledgement a warning is logged.
	// 0 means DefaultSilence.
	Silence time.Duration

	Stderr io.Writer    // takes the program's standard error, in whole lines; nil means discard
	Logger *slog.Logger // nil means discard
}

// Feed is a feed that events come from.
type Feed struct {
	ID   string
	Name string // what a program may call it by, unless another one has the same; may be empty
}

// Program is a program that events are handed to. It is for one goroutine at a
// time.
type Program struct {
	Config
	ledger  *ledger
	process *process // nil if none was started since the last one ended
	killed  chan struct{}
	kill    func() // closes killed
}

// ErrKilled is returned by Deliver after Kill.
var ErrKilled = errors.New("the program was killed")

// New returns a program, which is not started before there is an event for it.
func New(config Config) *Program {
	if config.Patience == 0 {
		config.Patience = DefaultPatience
	}
	if config.Grace <= 0 {
		config.Grace = DefaultGrace
	}
	if config.Silence <= 0 {
		config.Silence = DefaultSilence
	}
	if config.Stderr == nil {
		config.Stderr = io.Discard
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Environment == nil {
		config.Environment = Environment(os.Environ(), nil)
	}
	p := &Program{Config: config, ledger: newLedger(config.Feeds), killed: make(chan struct{})}
	p.kill = sync.OnceFunc(func() { close(p.killed) })
	return p
}

// Deliver hands events over, and returns once the program has acknowledged all
// of them. The positions of each feed ascend, within a call and from call to
// call; only after an error of acked may a call begin again further back, and
// then what the program has or had is not handed over once more.
//
// While it waits it calls acked with the number n of events, counted from the
// first, that are acknowledged without a gap: when n has grown, at most every
// 200 ms, and with all of them before it returns nil. An error of acked is
// returned as it is.
//
// When ctx is done the program is given no more events. Its standard input is
// closed, what it acknowledges before it ends is counted, and acked is called
// for that: so it must not depend on ctx. Then the error is that of ctx, unless
// everything was acknowledged.
//
// Before any error but one of acked is returned, the program has ended.
func (p *Program) Deliver(ctx context.Context, events []event.Delivered, acked func(n int) error) error {
	if len(events) == 0 {
		return nil
	}
	if err := p.ledger.expect(events); err != nil {
		return err
	}
	d := &delivery{Program: p, events: events, acked: acked}
	return d.run(ctx)
}

// Kill kills the program, all that it has started included, and lets Deliver
// return ErrKilled from then on. It may be called by any goroutine at any time, and
// does not wait; Close does.
func (p *Program) Kill() { p.kill() }

// Close ends the program: it closes its standard input and waits, sends SIGTERM
// and waits, and kills all that is left.
func (p *Program) Close() {
	if p.process != nil {
		p.process.stop(p.Grace)
		p.process = nil
	}
}
