package seed

import (
	"context"
	"errors"
	"iter"
	"net/url"
	"slices"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// nativeSource is a feed that an eventfeed server serves.
type nativeSource struct {
	client   *walk.Client
	follower *walk.Follower
	url      *url.URL
	prefetch int

	head     *walk.Subscription // the latest subscription document
	checked  *walk.Subscription // the latest one that passed Check; nil before
	walked   int64              // the position at which the last complete walk ended
	nextPage int64              // the first page that can have events after walked; 0 if unknown
}

func (s *nativeSource) Look(ctx context.Context) (err error) {
	s.head, err = s.client.Subscription(ctx, s.url, "", false)
	return err
}

func (s *nativeSource) Feed() (id, name string) { return s.head.ID, s.head.Name }

// Recognize does nothing: the feed's own id identifies it, and the digests verify the id.
func (s *nativeSource) Recognize(context.Context, []checkpoint.Checkpoint) error { return nil }

func (s *nativeSource) Start() walk.Place { return s.head.Start() }
func (s *nativeSource) Last() int64       { return s.head.Last }

func (s *nativeSource) Empty() string {
	if s.head.Held {
		return "the feed is held; it publishes its events after: feedserver open " + s.head.Name
	}
	return "the feed has no events; those that were appended and have no position yet are in the column PENDING of: feedserver list"
}

// Marks returns nothing: the checkpoint's position is enough.
func (s *nativeSource) Marks(_, _ int64) checkpoint.Marks { return checkpoint.Marks{} }

func (s *nativeSource) Served() (*walk.Client, *walk.Subscription) { return s.client, s.head }

// SameID is 0: each event has its own position.
func (s *nativeSource) SameID() int64 { return 0 }

func (s *nativeSource) Close() {}

// Next polls for events after the last document that passed Check. After an outdated
// document, this makes the server send its state again, so that it shows whether it is still
// outdated.
func (s *nativeSource) Next(ctx context.Context) error {
	after := s.head
	if s.checked != nil {
		after = s.checked
	}
	head, err := s.follower.Next(ctx, after)
	if err == nil { // else the last one stays, because the poll may only have been interrupted
		s.head = head
	}
	return err
}

func (s *nativeSource) Walk(ctx context.Context, from walk.Place) iter.Seq2[walk.Run, error] {
	return func(yield func(walk.Run, error) bool) {
		firstPage := s.nextPage
		if from.Position != s.walked {
			firstPage = 0
		}
		for run, err := range s.client.Walk(ctx, s.head, from, firstPage, s.prefetch) {
			if !yield(run, err) || err != nil {
				return
			}
		}
		s.walked, s.nextPage = max(s.head.Last, from.Position), s.head.Archives+1
	}
}

// Again fetches the current subscription document if the error may come from an epoch that
// has begun since the last one was fetched. A new epoch can change pages without a loss.
func (s *nativeSource) Again(ctx context.Context, after error) error {
	if !errors.Is(after, walk.ErrMismatch) {
		return after
	}
	fresh, err := s.client.Subscription(ctx, s.url, "", true)
	if err != nil {
		return err
	}
	if slices.Equal(fresh.Epochs, s.head.Epochs) {
		return after
	}
	s.head, s.nextPage = fresh, 0
	return nil
}

// Check verifies that the feed's history continues from the place. It keeps the document that
// shows it, which may be a newer one than before.
func (s *nativeSource) Check(ctx context.Context, from walk.Place, kept walk.Kept) (err error) {
	if s.head, err = s.client.Settle(ctx, s.url, s.head, from, kept); err == nil {
		s.checked = s.head
	}
	return err
}
