// Package execsink delivers events to a user's program, at least once and in order: as CloudEvents,
// one a line, on its standard input. The program acknowledges events by printing positions, one a
// line.
//
// [Program.Deliver] encodes an event, the process's writer writes it into the pipe, and the ledger
// records that it was delivered. The process's reader reads the acknowledgement, and the ledger
// records it. Events that a program got and had not acknowledged when it exited are delivered to
// the next one, in the same order.
//
// Invariants: an event counts as acknowledged only if the program got it and acknowledged it; a
// running program gets each position of a feed once and in order; and no process remains, whatever
// happens to this one.
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

// Config configures a Program.
type Config struct {
	// Command is run with /bin/sh -c, in its own process group and the working directory of this
	// process.
	Command string
	// Environment is the program's environment. nil means Environment of this process's.
	Environment []string
	// Lock calls use with the descriptor of the consumer's lock, so that the lock lasts until the
	// program and all that it has started have ended, even if this process ends first. Deliver
	// returns its error. nil means no lock.
	Lock func(use func(fd uintptr) error) error
	// Feeds are the feeds of all events. If there is only one, the program may print a position
	// without the feed.
	Feeds []Feed
	// Patience is the retry timeout: how long a program is restarted that exits before it has
	// acknowledged everything. Each acknowledgement starts it again. 0 means DefaultPatience, a
	// negative value no limit.
	Patience time.Duration
	// Grace is how long the program may take to exit after its standard input was closed, and again
	// after SIGTERM. 0 means DefaultGrace.
	Grace time.Duration
	// Silence is the time without an acknowledgement after which a warning is logged. 0 means
	// DefaultSilence.
	Silence time.Duration

	Stderr io.Writer    // receives the program's standard error, in whole lines; nil discards it
	Logger *slog.Logger // nil discards the log
}

// Feed is a feed that events come from.
type Feed struct {
	ID   string
	Name string // the name that a program may print, unless another feed has the same; may be empty
}

// Program is a program that gets events. Only one goroutine at a time may use it.
type Program struct {
	Config
	ledger  *ledger
	process *process // nil if none runs
	killed  chan struct{}
	kill    func() // closes killed
}

// ErrKilled is returned by Deliver after Kill.
var ErrKilled = errors.New("the program was killed")

// New returns a program. It is started when there is an event for it.
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

// Deliver delivers events, and returns when the program has acknowledged all of them. The positions
// of each feed must ascend, within a call and from call to call. Only after an error of acked may a
// call start further back; then the program does not get again what it has got.
//
// Meanwhile Deliver calls acked with the number n of events, counted from the first, that are
// acknowledged without a gap: when n has grown, at most every 200 ms, and with all of them before
// it returns nil. It returns an error of acked unchanged.
//
// When ctx is done, the program gets no more events. Its standard input is closed, and what it
// acknowledges before it exits is counted and passed to acked, which therefore must not depend on
// ctx. Then Deliver returns the error of ctx, unless everything was acknowledged.
//
// Before Deliver returns an error other than one of acked, the program has ended.
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

// Kill kills the program and all that it has started. From then on Deliver returns ErrKilled. Any
// goroutine may call it at any time. It does not wait; Close does.
func (p *Program) Kill() { p.kill() }

// Close stops the program: it closes the standard input and waits, sends SIGTERM and waits, and
// then kills everything.
func (p *Program) Close() {
	if p.process != nil {
		p.process.stop(p.Grace)
		p.process = nil
	}
}
