package seed

import (
	"context"
	"iter"
	"net/url"
	"strings"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/walk"
)

// source reads one feed. Only one goroutine uses it at a time.
type source interface {
	// Look fetches the feed's current state. It must be called before the other methods.
	Look(ctx context.Context) error
	// Feed returns the feed's id and name.
	Feed() (id, name string)
	// Recognize decides which id identifies the feed, given the consumer's checkpoints.
	Recognize(ctx context.Context, found []checkpoint.Checkpoint) error
	// Start returns the place before the feed's first event.
	Start() walk.Place
	// Last returns the position of the last event that the feed shows.
	Last() int64
	// Empty explains why the feed shows no events.
	Empty() string
	// Check checks that the feed's history continues from a place. It returns a
	// walk.OldError if the feed shows an earlier state.
	Check(ctx context.Context, from walk.Place, kept walk.Kept) error
	// Walk returns the events after a place, in order, up to Last.
	Walk(ctx context.Context, from walk.Place) iter.Seq2[walk.Run, error]
	// Again fetches the feed again if that may resolve the error that ended Walk. Otherwise
	// it returns the error.
	Again(ctx context.Context, after error) error
	// Next waits until the feed has new events.
	Next(ctx context.Context) error
	// SameID returns the number of entries that were left out because another one has the
	// same id.
	SameID() int64
	// Served returns the feed's client and latest subscription document; nil for a foreign
	// feed.
	Served() (*walk.Client, *walk.Subscription)
	// Marks returns what the target has to store when the checkpoint moves from one
	// position to another. It may be called while Walk runs.
	Marks(from, to int64) checkpoint.Marks
	// Close frees what the source holds.
	Close()
}

// reading is a feed with the consumer's state in it.
type reading struct {
	source
	from       string // the URL, as Config.From has it
	url        *url.URL
	id         string // the feed's id when the run started
	outdated   outdated
	checkpoint checkpoint.Checkpoint // that of the target, while the consumer is claimed
	shows      int64                 // position of the last event that the source has shown
	empty      string                // why it has shown none; otherwise empty
	applied    int64                 // events that this run applied
	skipped    int64                 // those of applied that the sink skipped
	parked     int64                 // events that this run parked
	waiting    int64                 // all parked events of the feed
}

// note copies the end of the feed from the source. While another goroutine polls the
// source, only these copies may be used.
func (f *reading) note() {
	f.shows, f.empty = f.Last(), ""
	if f.shows == 0 {
		f.empty = f.Empty()
	}
}

func (f *reading) place() walk.Place { return placeOf(f.checkpoint) }

// The methods of reading wrap the source's errors in a FeedError.

func (f *reading) Look(ctx context.Context) error { return f.about(f.source.Look(ctx)) }
func (f *reading) Recognize(ctx context.Context, found []checkpoint.Checkpoint) error {
	err := f.about(f.source.Recognize(ctx, found))
	id, _ := f.Feed()
	f.id = strings.Clone(id) // so that it does not keep the document in memory
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
