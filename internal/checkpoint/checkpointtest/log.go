package checkpointtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Log is a message log in memory that keeps the place of each message with it, and so the
// checkpoint of the one consumer that fills it: a checkpoint.Target that has nothing but
// what every target must have.
type Log struct {
	mu       sync.Mutex
	holder   *logSession
	consumer checkpoint.Consumer
	first    checkpoint.Checkpoint
	messages []message
	broken   func(position int64) bool
}

// message is an event, or a mark without one, with the checkpoint after it.
type message struct {
	event.Delivered
	behind checkpoint.Checkpoint
}

// errBroken is of a step of which a beginning is in the log.
var errBroken = errors.New("the log has broken off")

// Break lets steps break off behind the messages that it is true for.
func (l *Log) Break(behind func(position int64) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = behind
}

// Positions returns those of the messages, in their order.
func (l *Log) Positions() (all []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.messages {
		if l.messages[i].Position > 0 {
			all = append(all, l.messages[i].Position)
		}
	}
	return all
}

// Steal takes the log away from its holder.
func (l *Log) Steal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder = nil
}

// Describe says what the log cannot do.
func (l *Log) Describe() checkpoint.Description {
	return checkpoint.Description{
		Name: "a log in memory", Sink: checkpoint.Consumer{Sink: "log"},
		Cannot: map[checkpoint.Feature]string{
			checkpoint.DryRun:       "a message cannot be taken back",
			checkpoint.SeveralFeeds: "a log has one history",
			checkpoint.AsOf:         "a log has the whole history",
		},
	}
}

// Open returns a backend of the log.
func (l *Log) Open(bool) checkpoint.Backend { return &logSession{log: l} }

type logSession struct {
	log     *Log
	claimed bool
}

func (*logSession) Prepare(context.Context) error { return nil }

func (s *logSession) Claim(_ context.Context, consumer string) error {
	s.Close()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.log.holder != nil {
		return fmt.Errorf("consumer %s: %w", consumer, checkpoint.ErrHeld)
	}
	s.log.holder, s.claimed = s, true
	return nil
}

// stillHolds is as the databases have it.
func (s *logSession) stillHolds() error {
	switch {
	case !s.claimed:
		return checkpoint.ErrLost
	case s.log.holder != s:
		return checkpoint.ErrMoved
	}
	return nil
}

func (*logSession) Lost() <-chan struct{} { return nil }

func (s *logSession) Load(context.Context) (checkpoint.Consumer, []checkpoint.Checkpoint, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.log.consumer.Name == "" {
		return checkpoint.Consumer{}, nil, nil
	}
	return s.log.consumer, []checkpoint.Checkpoint{s.log.end()}, nil
}

// end is the checkpoint behind the last message.
func (l *Log) end() checkpoint.Checkpoint {
	if len(l.messages) == 0 {
		return l.first
	}
	return l.messages[len(l.messages)-1].behind
}

func (s *logSession) Begin(_ context.Context, c checkpoint.Consumer, first []checkpoint.Checkpoint, _ bool) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if err := s.stillHolds(); err != nil {
		return err
	}
	s.log.consumer = c
	if len(first) > 0 {
		s.log.first = first[0]
	}
	return nil
}

func (s *logSession) Step(ctx context.Context, moves []checkpoint.Move, do func(checkpoint.Tx) error) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if err := s.stillHolds(); err != nil || len(moves) == 0 {
		return err
	}
	if end := s.log.end(); end.Position != moves[0].From.Position || end.Digest != moves[0].From.Digest {
		return fmt.Errorf("%s: %w", moves[0].From, checkpoint.ErrMoved)
	}
	tx := &logTx{}
	if err := do(tx); err != nil {
		return err
	}
	for _, m := range tx.messages {
		s.log.messages = append(s.log.messages, m)
		if s.log.broken != nil && s.log.broken(m.Position) {
			return errBroken
		}
	}
	if s.log.end().Position < moves[0].To.Position {
		s.log.messages = append(s.log.messages, message{behind: moves[0].To})
	}
	return nil
}

func (*logSession) Diagnose(err error) checkpoint.Trouble {
	if errors.Is(err, errBroken) {
		return checkpoint.Away
	}
	return checkpoint.Permanent
}

func (s *logSession) Close() {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if s.log.holder == s {
		s.log.holder = nil
	}
	s.claimed = false
}

// logTx holds messages until the step is done.
type logTx struct{ messages []message }

func (t *logTx) Apply(_ context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	for i, e := range b.Events { // whose strings and data lie in pages that are used again
		moves, err := b.After(i + 1)
		if err != nil {
			return checkpoint.Outcome{}, err
		}
		e.ID, e.Type, e.Source, e.Subject, e.Data = strings.Clone(e.ID), strings.Clone(e.Type), strings.Clone(e.Source), strings.Clone(e.Subject), bytes.Clone(e.Data)
		t.messages = append(t.messages, message{e, moves[0].To})
	}
	return checkpoint.Outcome{}, nil
}
