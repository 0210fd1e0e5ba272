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

// Meant returns the one of the types whose spelling is closest to the unmatched name. It is
// empty if none is close.
func (u *Unmatched) Meant(types map[string]int64) string {
	return nearest.Name(strings.TrimPrefix(u.Name, u.Feed+"/"), slices.Sorted(maps.Keys(types)))
}

// expectHeads starts to record which of the projection's block names match no event.
// This is possible only if the run reads all events: not if the consumer has read some
// before, or if its checkpoint is not where this run has left it.
//
// was has the positions at which the run expects the checkpoints.
func (r *runner) expectHeads(was []int64) {
	if !r.held {
		r.heads = slices.Clone(r.into.Describe().Heads) // matchHeads deletes from it
	}
	for i, f := range r.feeds {
		if f.checkpoint.Position != was[i] {
			r.heads = nil
		}
	}
}

// positions returns the position at which the run expects each feed's checkpoint: 0
// before it has claimed the consumer.
func (r *runner) positions() []int64 {
	all := make([]int64, len(r.feeds))
	for i, f := range r.feeds {
		if r.held {
			all[i] = f.checkpoint.Position
		}
	}
	return all
}

// matchHeads deletes the block names that match an event, also a parked one. Usually
// none is left after a few events.
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
