package seed

import (
	"maps"
	"slices"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
	"github.com/eventfeed/eventfeed/internal/nearest"
)

// Unmatched is a type that a projection has a block for, and that no event has had.
type Unmatched struct {
	Place string // FILE:LINE of the block's head
	Name  string // what it names: TYPE or FEED/TYPE
	Feed  string // the feed's name or id; empty for all feeds
}

// Meant returns which of some types of events may have been meant: the one that is
// closest by its letters. It is empty if none is close.
func (u *Unmatched) Meant(types map[string]int64) string {
	return nearest.Name(strings.TrimPrefix(u.Name, u.Feed+"/"), slices.Sorted(maps.Keys(types)))
}

// expectHeads begins to look which of the projection's heads no event matches.
// That can be told only where all events pass by, so not of a consumer that has
// read some of them before, or whose checkpoint is not where this run has left it.
//
// was is where the run believed the checkpoints to be.
func (r *runner) expectHeads(was []int64) {
	if !r.held {
		r.heads = slices.Clone(r.into.Describe().Heads) // matchHeads takes out of it
	}
	for i, f := range r.feeds {
		if f.checkpoint.Position != was[i] {
			r.heads = nil
		}
	}
}

// positions is where the run believes each feed's checkpoint to be: at first
// where all of the feed comes behind.
func (r *runner) positions() []int64 {
	all := make([]int64, len(r.feeds))
	for i, f := range r.feeds {
		if r.held {
			all[i] = f.checkpoint.Position
		}
	}
	return all
}

// matchHeads takes the heads out that events match, parked ones included. Mostly
// none is left soon.
func (r *runner) matchHeads(events []event.Delivered) {
	for i := range events {
		if len(r.heads) == 0 {
			return
		}
		e := &events[i]
		r.heads = slices.DeleteFunc(r.heads, func(h checkpoint.BlockName) bool { return h.Matches(e.Feed, e.FeedID, e.Type) })
	}
}

func unmatched(heads []checkpoint.BlockName) (all []Unmatched) {
	for i := range heads {
		all = append(all, Unmatched{heads[i].Place, heads[i].Name, heads[i].Feed})
	}
	return all
}
