package checkpoint

import (
	"errors"
	"fmt"
)

// Target is a database or a message log to read feeds into, with the sink that applies the
// events. It is immutable, and holds no connection, lock or file; a Backend, which is opened
// for one run, does.
type Target interface {
	Describe() Description
	// Open returns a backend, for one goroutine. It does not connect yet, so it cannot
	// fail. If dryRun is set, Close of the backend undoes all changes.
	Open(dryRun bool) Backend
}

// Description describes a target and its sink.
type Description struct {
	Name string // the target's name in errors: database shop at db:5432
	// Sink holds what a consumer stores about its sink. The other fields of the Consumer
	// are empty.
	Sink Consumer
	// Heads are the names of a projection's blocks.
	Heads []BlockName
	// External creates a sink outside of the target's transactions; nil for a sink inside.
	External func(Hold) External
	// Cannot holds the features that the sink lacks, with the reasons.
	Cannot map[Feature]string
}

// Feature is a feature that a target may lack. Its value is its name in errors.
type Feature string

// FeatureError reports that a target lacks a requested feature.
type FeatureError struct {
	Target  string // the target's name
	Feature Feature
	Reason  string
}

// Is matches errors.ErrUnsupported.
func (e *FeatureError) Is(target error) bool { return target == errors.ErrUnsupported }

func (e *FeatureError) Error() string {
	return fmt.Sprintf("%s: no %s: %s", e.Target, e.Feature, e.Reason)
}

// The features that a target may lack.
const (
	DryRun       Feature = "dry run"
	Parking      Feature = "parking"
	GoingBack    Feature = "rewind or reset"
	StartingOver Feature = "reset"
	ForeignFeeds Feature = "foreign feeds"
	SeveralFeeds Feature = "second feed"
	AsOf         Feature = "state as of a point in time"
	Names        Feature = "consumer names"
)

// BlockName is an event type in the first line of a projection's block.
type BlockName struct {
	Place string // FILE:LINE
	Name  string // TYPE or FEED/TYPE, without quotes
	Feed  string // the feed's name or id; empty for all feeds
	Type  string
}

// Matches reports whether the name matches this type of this feed.
func (h *BlockName) Matches(feed, feedID, eventType string) bool {
	return h.Type == eventType && (h.Feed == "" || h.Feed == feed || h.Feed == feedID)
}
