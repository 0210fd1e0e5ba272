package checkpoint

import (
	"errors"
	"fmt"
)

// Target is what feeds are read into: a database or a message log, with the sink that
// applies the events there. It is not changed by what is done with it, and holds no
// connection, lock or file: that is for a Backend, which is opened for one run.
type Target interface {
	Describe() Description
	// Open returns a backend, for one goroutine. It reaches for nothing yet, so it
	// cannot fail. Where dryRun is set, all that is done with it is undone in the end.
	Open(dryRun bool) Backend
}

// Description is what a target and its sink are.
type Description struct {
	Name string // of the target, as errors have it: database shop at db:5432
	// Sink is what a consumer remembers of its sink. The other fields of a Consumer
	// are empty.
	Sink Consumer
	// Heads are the types of events that the sink has blocks for, where it is a
	// projection.
	Heads []BlockName
	// External makes the sink, where it works outside of the target's transactions;
	// nil where it works inside.
	External func(Hold) External
	// Cannot says what the sink cannot do, with the reason.
	Cannot map[Feature]string
}

// Feature is something that not every target can do. Its value names it in errors.
type Feature string

// FeatureError says that a target lacks what it was asked for.
type FeatureError struct {
	Target  string // its name
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
	ForeignFeeds Feature = "foreign feeds"
	SeveralFeeds Feature = "second feed"
	AsOf         Feature = "state as of a point in time"
)

// BlockName is one of the names in the head of a projection's block.
type BlockName struct {
	Place string // FILE:LINE
	Name  string // TYPE or FEED/TYPE, without quotes
	Feed  string // the feed's name or id; empty for all feeds
	Type  string
}

// Matches reports whether the head names this type of this feed.
func (h *BlockName) Matches(feed, feedID, eventType string) bool {
	return h.Type == eventType && (h.Feed == "" || h.Feed == feed || h.Feed == feedID)
}
