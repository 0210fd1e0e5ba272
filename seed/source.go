package seed

import (
	"context"
	"iter"
	"net/url"
	"strings"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// source is one feed, as a run reads it. It is used by one goroutine at a time.
type source interface {
	// Look fetches what the feed shows now. Nothing is known of it before.
	Look(ctx context.Context) error
	// Feed says which feed it is.
	Feed() (id, name string)
	// Recognize decides what the feed is known by, by the checkpoints that the
	// consumer has.
	Recognize(ctx context.Context, found []checkpoint.Checkpoint) error
	// Start is the place before the feed's first event.
	Start() walk.Place
	// Last is the position of the last event that it shows.
	Last() int64
	// Empty says why there is no event, where the feed shows none.
	Empty() string
	// Check makes sure that the feed's history goes on from a place. It is a
	// walk.OldError if the feed shows an earlier state than that.
	Check(ctx context.Context, from walk.Place, kept walk.Kept) error
	// Walk returns the events behind a place, in order, up to Last.
	Walk(ctx context.Context, from walk.Place) iter.Seq2[walk.Run, error]
	// Again looks again after Walk has ended with an error that another look
	// may mend. Else it returns the error.
	Again(ctx context.Context, after error) error
	// Next waits until the feed shows something new.
	Next(ctx context.Context) error
	// SameID is how many of the feed's entries were left out so far, because
	// another one has the same id.
	SameID() int64
	// Served returns what reads the feed and what it shows, where an eventfeed
	// server serves it; else nil.
	Served() (*walk.Client, *walk.Subscription)
	// Marks gives what the target is to write down when the checkpoint moves
	// from one position on to another. Walk may be at work meanwhile.
	Marks(from, to int64) checkpoint.Marks
	// Close frees what the source holds.
	Close()
}

// reading is a feed and how far the consumer has got with it.
type reading struct {
	source
	from       string // Config.From has it
	url        *url.URL
	id         string // the feed's, when the run began
	outdated   outdated
	checkpoint checkpoint.Checkpoint // what the target holds, while the consumer is claimed
	shows      int64                 // position of the last event that the source has shown
	empty      string                // why it has shown none; empty where it has
	applied    int64                 // events, by this run
	skipped    int64                 // of them those that the sink had no use for
	parked     int64                 // events parked, by this run
	waiting    int64                 // all of its events that are parked
}

// note takes down what the source shows. While its feed is watched only this may be asked
// for.
func (f *reading) note() {
	f.shows, f.empty = f.Last(), ""
	if f.shows == 0 {
		f.empty = f.Empty()
	}
}

func (f *reading) place() walk.Place { return placeOf(f.checkpoint) }

// The reading's own errors say which feed they are about.

func (f *reading) Look(ctx context.Context) error { return f.about(f.source.Look(ctx)) }
func (f *reading) Recognize(ctx context.Context, found []checkpoint.Checkpoint) error {
	err := f.about(f.source.Recognize(ctx, found))
	id, _ := f.Feed()
	f.id = strings.Clone(id) // it lies in a document, which is not to be kept for it
	return err
}
func (f *reading) Next(ctx context.Context) error { return f.about(f.source.Next(ctx)) }

func (f *reading) Check(ctx context.Context, from walk.Place, kept walk.Kept) error {
	return f.about(f.source.Check(ctx, from, kept))
}

func (f *reading) Again(ctx context.Context, after error) error {
	return f.about(f.source.Again(ctx, after))
}

func (f *reading) about(err error) error {
	if err == nil {
		return nil
	}
	return &FeedError{From: f.from, Err: err}
}

// FeedError is an error of one of several feeds.
type FeedError struct {
	From string // its URL, as Config.From has it
	Err  error
}

// Error returns the text of the cause.
func (e *FeedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FeedError) Unwrap() error { return e.Err }
