package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/feed"
	"github.com/eventfeed/eventfeed/seed"
)

// session is a checkpoint.Backend whose checkpoint is the end of a log.
type session struct {
	target    target
	log       Log
	feed      Feed
	claimed   bool
	published bool      // this session has seen or published a message of the feed
	end       Place     // after Load, where the log ends; its feed is empty if nothing was published
	messages  []Message // of a step; kept for the next one
}

// logError is an error of a log, which may pass unless the log says otherwise. All other errors of a run
// are not the broker's.
type logError struct{ error }

func (e logError) Unwrap() error { return e.error }

// ofLog marks an error of the log.
func ofLog(err error) error {
	if err == nil {
		return nil
	}
	return logError{err}
}

// Bind sets the feed that is published.
func (s *session) Bind(feedID, name string) { s.feed = Feed{ID: feedID, Name: name} }

// Prepare does nothing: topics, streams and their settings are the operator's.
func (*session) Prepare(context.Context) error { return nil }

// Claim opens the log, and fences other publishers of the feed.
func (s *session) Claim(ctx context.Context, consumer string) error {
	if consumer != seed.DefaultConsumer {
		return &checkpoint.FeatureError{Target: s.target.name, Feature: checkpoint.Names, Reason: "a feed has one publisher to a log"}
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	if err := s.log.Claim(ctx); err != nil {
		return ofLog(err)
	}
	s.claimed = true
	return nil
}

func (s *session) open(ctx context.Context) error {
	s.Close()
	return ofLog(s.log.Open(ctx, s.feed))
}

// Lost returns nil: a log says at the next Append that another publisher has taken over.
func (*session) Lost() <-chan struct{} { return nil }

// Load returns the checkpoint that the end of the log is.
func (s *session) Load(ctx context.Context) (checkpoint.Consumer, []checkpoint.Checkpoint, error) {
	end, found, err := s.log.End(ctx)
	if err == nil && !found && s.published {
		err = &LostEndError{Err: fmt.Errorf("%s is empty, and this publisher had reached %s: it was deleted and created again", s.target.name, s.end), Generation: s.end.Generation}
	}
	if err != nil || !found {
		if !s.published {
			s.end = Place{}
		}
		return checkpoint.Consumer{}, nil, ofLog(err)
	}
	s.end, s.published = end, true
	return s.consumer(), []checkpoint.Checkpoint{checkpointOf(end)}, nil
}

func (s *session) consumer() checkpoint.Consumer {
	c := s.target.Describe().Sink
	c.Name = seed.DefaultConsumer
	return c
}

func checkpointOf(p Place) checkpoint.Checkpoint {
	return checkpoint.Checkpoint{
		Consumer: seed.DefaultConsumer, Feed: p.Feed.Name, FeedID: p.Feed.ID,
		Epoch: p.Epoch, Position: p.Position, Digest: p.Digest, SeedEnd: p.Position, Generation: p.Generation,
	}
}

// placeOf returns the place of a checkpoint of the feed.
func (s *session) placeOf(c *checkpoint.Checkpoint) Place {
	return Place{Feed: s.feed, Generation: c.Generation, Epoch: c.Epoch, Position: c.Position, Digest: c.Digest}
}

// Begin publishes the marker of the first generation if it begins after the first event. A log
// without messages begins at position 0 by itself.
func (s *session) Begin(ctx context.Context, _ checkpoint.Consumer, first []checkpoint.Checkpoint, _ bool) error {
	for i := range first {
		s.end = s.placeOf(&first[i])
		if s.end.Position > 0 {
			return s.append(ctx, []Message{Marker(s.end)})
		}
	}
	return nil
}

// Step publishes the events that do applies.
func (s *session) Step(ctx context.Context, moves []checkpoint.Move, do func(checkpoint.Tx) error) error {
	if !s.claimed {
		return checkpoint.ErrLost
	}
	for i := range moves {
		if from := &moves[i].From; from.Position != s.end.Position || from.Digest != s.end.Digest || from.FeedID != s.end.Feed.ID {
			return fmt.Errorf("%s: %w", from, checkpoint.ErrMoved)
		}
	}
	s.messages = s.messages[:0]
	if err := do(s); err != nil || len(s.messages) == 0 {
		return err
	}
	return s.append(ctx, s.messages)
}

// Apply collects the messages of a step. Their strings and data lie in pages that are valid until
// the step ends.
func (s *session) Apply(_ context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	for i := range b.Events {
		before, at, err := b.Places(i)
		if err != nil {
			return checkpoint.Outcome{}, err
		}
		s.messages = append(s.messages, Message{
			Delivered: b.Events[i], Generation: s.end.Generation, Epoch: at.Epoch, DigestBefore: before.Digest, Digest: at.Digest,
		})
	}
	return checkpoint.Outcome{}, nil
}

// append publishes messages, and moves the end past them.
func (s *session) append(ctx context.Context, messages []Message) error {
	if err := s.log.Append(ctx, messages); err != nil {
		s.claimed = false // a first part may be there
		return ofLog(err)
	}
	s.end, s.published = messages[len(messages)-1].Place(), true
	return nil
}

// Diagnose returns Away for the errors of the log that may pass.
func (*session) Diagnose(err error) checkpoint.Trouble {
	_, ofLog := errors.AsType[logError](err)
	_, operator := errors.AsType[*OperatorError](err)
	switch {
	case operator, errors.Is(err, seed.ErrMismatch), errors.Is(err, seed.ErrMoved):
		return checkpoint.Permanent
	case ofLog, errors.Is(err, checkpoint.ErrLost):
		return checkpoint.Away
	default:
		return checkpoint.Permanent
	}
}

// Close disconnects.
func (s *session) Close() {
	s.claimed = false
	s.log.Close()
}

// Statuses returns where the publication of the feed is. Whether a publisher runs is not known.
func (s *session) Statuses(ctx context.Context) ([]checkpoint.Status, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	c, found, err := s.Load(ctx)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return []checkpoint.Status{{Checkpoint: found[0], Consumer: c, HeldErr: checkpoint.ErrHolderUnknown}}, nil
}

// Consumers returns the one consumer that a log has, if the feed was published to it.
func (s *session) Consumers(ctx context.Context) ([]string, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	_, found, err := s.log.End(ctx)
	if _, lost := errors.AsType[*LostEndError](err); lost || found {
		return []string{seed.DefaultConsumer}, nil
	}
	return nil, ofLog(err)
}

// Kept returns earlier places in the log; none in one that has lost its end.
func (s *session) Kept(ctx context.Context, _, _ string) (all []feed.Place, err error) {
	if s.end.Feed.ID == "" {
		return nil, nil
	}
	earlier, err := s.log.Earlier(ctx)
	for _, p := range earlier {
		if p.Position < s.end.Position {
			all = append(all, feed.Place{Epoch: p.Epoch, Position: p.Position, Digest: p.Digest})
		}
	}
	return all, ofLog(err)
}

// Rewind begins another generation with a marker.
func (s *session) Rewind(ctx context.Context, _, to checkpoint.Checkpoint) error {
	return s.append(ctx, []Message{Marker(s.placeOf(&to))})
}

// Reset is never called: the target lacks StartingOver.
func (*session) Reset(context.Context, []checkpoint.Checkpoint) error { return errors.ErrUnsupported }

// Inbox returns nil.
func (*session) Inbox() checkpoint.Inbox { return nil }
