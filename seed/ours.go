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

// ours is a feed that an eventfeed server serves.
type ours struct {
	client   *walk.Client
	follower *walk.Follower
	url      *url.URL
	prefetch int

	head     *walk.Subscription // the end of the feed, as far as it is known
	checked  *walk.Subscription // the last one that Check has found good; nil before
	walked   int64              // position that the last whole walk has led to
	nextPage int64              // no page before it holds anything behind that; 0 if that is not known
}

func (s *ours) Look(ctx context.Context) (err error) {
	s.head, err = s.client.Subscription(ctx, s.url, "", false)
	return err
}

func (s *ours) Feed() (id, name string) { return s.head.ID, s.head.Name }

// Recognize leaves it at the id that the feed states, which is verified by its digests.
func (s *ours) Recognize(context.Context, []checkpoint.Checkpoint) error { return nil }

func (s *ours) Start() walk.Place { return s.head.Start() }
func (s *ours) Last() int64       { return s.head.Last }

func (s *ours) Empty() string {
	if s.head.Held {
		return "the feed is held; it publishes its events after: feedserver open " + s.head.Name
	}
	return "the feed has no events; those that were appended and have no position yet are in the column PENDING of: feedserver list"
}

// Marks gives nothing: a position says all of one of our feeds.
func (s *ours) Marks(_, _ int64) checkpoint.Marks { return checkpoint.Marks{} }

func (s *ours) Served() (*walk.Client, *walk.Subscription) { return s.client, s.head }

// SameID is 0: an event's position tells it from all others.
func (s *ours) SameID() int64 { return 0 }

func (s *ours) Close() {}

// Next goes on from the last head that was good. After an old one that makes the
// server send what it has again, so that it shows whether that is still old.
func (s *ours) Next(ctx context.Context) (err error) {
	after := s.head
	if s.checked != nil {
		after = s.checked
	}
	s.head, err = s.follower.Next(ctx, after)
	return err
}

func (s *ours) Walk(ctx context.Context, from walk.Place) iter.Seq2[walk.Run, error] {
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

// Again fetches the feed's present head, if what failed may be because an epoch
// has begun since the one in hand was fetched: that moves pages, and nothing is
// lost by it.
func (s *ours) Again(ctx context.Context, after error) error {
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

// Check makes sure of a head whose history goes on from the place.
func (s *ours) Check(ctx context.Context, from walk.Place, kept walk.Kept) (err error) {
	if s.head, err = s.client.Settle(ctx, s.url, s.head, from, kept); err == nil {
		s.checked = s.head
	}
	return err
}
