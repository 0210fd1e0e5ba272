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

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Command is the part of a Config that users set: see seed.Program.
type Command struct {
	Command         string
	PassEnvironment []string
	Patience        time.Duration
	Stderr          io.Writer
	Logger          *slog.Logger
}

// Describe returns the description of a target with a program as its sink.
func Describe(c Command) checkpoint.Description {
	config := Config{Command: c.Command, Patience: c.Patience, Stderr: c.Stderr, Logger: c.Logger}
	pass := slices.Clone(c.PassEnvironment)
	return checkpoint.Description{
		Sink: checkpoint.Consumer{Sink: checkpoint.SinkProgram},
		External: func(h checkpoint.Hold) checkpoint.External {
			begun := config
			begun.Environment = Environment(os.Environ(), pass) // that of now, because a variable may contain a token that changes
			return newSink(begun, h)
		},
		Cannot: map[checkpoint.Feature]string{
			checkpoint.DryRun:  "what a program does cannot be undone",
			checkpoint.Parking: "what a program does cannot be undone",
		},
	}
}

// sink is a checkpoint.External that runs a program.
type sink struct {
	program *Program
	idle    chan struct{} // closed by Close
}

// newSink returns a sink that kills its program at once when the consumer's lock is lost.
func newSink(config Config, h checkpoint.Hold) *sink {
	config.Lock = h.ShareLock
	for i := range h.Checkpoints {
		config.Feeds = append(config.Feeds, Feed{ID: h.Checkpoints[i].FeedID, Name: h.Checkpoints[i].Feed})
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

// Start does nothing: the program is started when there is an event for it.
func (*sink) Start(context.Context) error { return nil }

// Deliver delivers events to the program. It returns checkpoint.ErrLost if the program was killed.
func (s *sink) Deliver(ctx context.Context, b checkpoint.Batch, acknowledged func(checkpoint.Acknowledged) error) error {
	err := s.program.Deliver(ctx, b.Events, func(n int) error { return acknowledged(checkpoint.Acknowledged{Events: n}) })
	if errors.Is(err, ErrKilled) {
		return fmt.Errorf("%w: %w", checkpoint.ErrLost, err)
	}
	return err
}

// Close stops the program.
func (s *sink) Close() {
	s.program.Close()
	close(s.idle)
}
