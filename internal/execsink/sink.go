package execsink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Command is a program to run, as far as users say: see seed.Program.
type Command struct {
	Command         string
	PassEnvironment []string
	Patience        time.Duration
	Stderr          io.Writer
	Logger          *slog.Logger
}

// Describe returns what a target is whose sink a program is.
func Describe(c Command) checkpoint.Description {
	config := Config{Command: c.Command, Patience: c.Patience, Stderr: c.Stderr, Logger: c.Logger}
	pass := slices.Clone(c.PassEnvironment)
	return checkpoint.Description{
		Sink: checkpoint.Consumer{Sink: checkpoint.SinkProgram},
		External: func(h checkpoint.Hold) checkpoint.External {
			begun := config
			begun.Environment = Environment(os.Environ(), pass) // as it is now: a variable may hold a token
			return newSink(begun, h)
		},
		Cannot: map[checkpoint.Feature]string{
			checkpoint.DryRun:  "what a program does cannot be undone",
			checkpoint.Parking: "what a program does cannot be undone",
		},
	}
}

// sink is a program as a checkpoint.External.
type sink struct {
	program *Program
	idle    chan struct{} // closed when program has been ended
}

// newSink makes ready to start the program, which is killed at once when the consumer's
// lock is lost.
func newSink(config Config, h checkpoint.Hold) *sink {
	config.Lock = h.ShareLock
	for id, name := range h.Feeds {
		config.Feeds = append(config.Feeds, Feed{ID: id, Name: name})
	}
	s := &sink{program: New(config), idle: make(chan struct{})}
	go func() {
		select {
		case <-h.Lost:
			s.program.Kill()
		case <-s.idle:
		}
	}()
	return s
}

// Deliver hands events to the program. It returns checkpoint.ErrLost if that was killed.
func (s *sink) Deliver(ctx context.Context, events []event.Delivered, acknowledged func(n int) error) error {
	err := s.program.Deliver(ctx, events, acknowledged)
	if errors.Is(err, ErrKilled) {
		return fmt.Errorf("%w: %w", checkpoint.ErrLost, err)
	}
	return err
}

// Close ends the program.
func (s *sink) Close() {
	s.program.Close()
	close(s.idle)
}
