package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// Session is a target that is opened for one run. It makes the decisions about a consumer, its
// checkpoints and the events of a step that are the same for every kind of database or log.
// Only one goroutine may use it, except for its Memory.
type Session struct {
	Backend
	about    Description
	consumer string                // the claimed consumer
	begun    map[string]Checkpoint // of its feeds, by id, as they were loaded or begun
	external External              // nil before Begin, and for a sink inside of the target
	away     func(error)           // see Watch; may be nil
	parking  parking
}

// Open opens a target. If dryRun is set, Close undoes all changes.
func Open(t Target, dryRun bool) *Session {
	return &Session{Backend: t.Open(dryRun), about: t.Describe(), begun: make(map[string]Checkpoint)}
}

// Describe returns the description of the target and its sink.
func (s *Session) Describe() Description { return s.about }

// Lacks returns a FeatureError if the target lacks a feature; nil if it has it.
func (s *Session) Lacks(f Feature) error {
	reason, lacks := s.about.Cannot[f]
	if !lacks {
		var has bool
		switch f {
		case Parking:
			_, has = s.Backend.(Parker)
		case GoingBack, StartingOver:
			_, has = s.Backend.(Rewinder)
		case ForeignFeeds:
			_, has = s.Backend.(Rememberer)
		default:
			has = true
		}
		if has {
			return nil
		}
		reason = "it keeps nothing but its checkpoint"
	}
	return &FeatureError{Target: s.about.Name, Feature: f, Reason: reason}
}

// Bind tells a FeedBinder the feed that it is opened for. It does nothing for other backends.
func (s *Session) Bind(feedID, name string) {
	if backend, can := s.Backend.(FeedBinder); can {
		backend.Bind(feedID, name)
	}
}

// Claim makes this process the consumer's holder. It stops the external sink of the previous
// claim first.
func (s *Session) Claim(ctx context.Context, consumer string) error {
	s.endExternal()
	clear(s.begun)
	s.consumer = consumer
	return s.at("claim consumer "+consumer, s.Backend.Claim(ctx, consumer))
}

// Load returns the consumer and its checkpoints. The consumer's name is empty if it is not
// stored yet.
func (s *Session) Load(ctx context.Context) (Consumer, []Checkpoint, error) {
	c, found, err := s.Backend.Load(ctx)
	s.know(found)
	return c, found, s.at("read the checkpoint", err)
}

// Begin is that of the Backend, and starts an external sink.
func (s *Session) Begin(ctx context.Context, c Consumer, first []Checkpoint, fresh bool) error {
	s.know(first)
	what := "prepare to apply"
	if len(first) > 0 {
		what = "write the first checkpoint"
	}
	if err := s.Backend.Begin(ctx, c, first, fresh); err != nil {
		return s.at(what, err)
	}
	return s.startExternal(ctx)
}

func (s *Session) know(all []Checkpoint) {
	for _, c := range all {
		s.begun[c.FeedID] = c
	}
}

// held returns the checkpoints that were loaded or begun, in the order of feed ids.
func (s *Session) held() []Checkpoint {
	all := slices.Collect(maps.Values(s.begun))
	slices.SortFunc(all, func(a, b Checkpoint) int { return strings.Compare(a.FeedID, b.FeedID) })
	return all
}

// Kept returns the places of a checkpoint's feed that the target keeps, in order; none if it
// keeps none.
func (s *Session) Kept(ctx context.Context, c Checkpoint) ([]feed.Place, error) {
	rewinder, can := s.Backend.(Rewinder)
	if !can {
		return nil, nil
	}
	found, err := rewinder.Kept(ctx, c.Consumer, c.FeedID)
	return found, s.at("read the digests that it keeps", err)
}

// Rewind is that of a Rewinder. The target must not lack GoingBack.
func (s *Session) Rewind(ctx context.Context, from, to Checkpoint) error {
	return s.at(fmt.Sprintf("go back to position %d", to.Position), s.Backend.(Rewinder).Rewind(ctx, from, to))
}

// Reset is that of a Rewinder. The target must not lack GoingBack.
func (s *Session) Reset(ctx context.Context, all []Checkpoint) error {
	return s.at("delete the checkpoint", s.Backend.(Rewinder).Reset(ctx, all))
}

// Replaced is that of a Replaceable; nil for other backends.
func (s *Session) Replaced() <-chan struct{} {
	if backend, can := s.Backend.(Replaceable); can {
		return backend.Replaced()
	}
	return nil
}

// SkippedTypes returns the number of skipped events by type; none if the target does not count
// them.
func (s *Session) SkippedTypes(ctx context.Context) ([]SkippedType, error) {
	counter, can := s.Backend.(SkipCounter)
	if !can {
		return nil, nil
	}
	skipped, err := counter.SkippedTypes(ctx, s.consumer)
	return skipped, s.at("read what was skipped", err)
}

// Memory returns what the consumer knows about a foreign feed. The target must not lack
// ForeignFeeds.
func (s *Session) Memory(consumer, feedID string) Memory {
	return s.Backend.(Rememberer).Memory(consumer, feedID)
}

// Close stops the sink, releases the consumer, and closes what was opened.
func (s *Session) Close() {
	s.endExternal()
	s.Backend.Close()
}

// at adds the target and the operation to an error. It does not change ErrHeld and ErrMoved,
// which name the consumer.
func (s *Session) at(what string, err error) error {
	if err == nil || errors.Is(err, ErrHeld) || errors.Is(err, ErrMoved) {
		return err
	}
	return fmt.Errorf("%s: %s: %w", s.about.Name, what, err)
}
