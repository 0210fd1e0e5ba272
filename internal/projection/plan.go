package projection

import (
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Plans are the statements of a projection's blocks, each in the form S that a
// database takes, and which of them run for which event.
type Plans[S any] struct {
	All []S // statements, in the order of the file

	projection *Projection
	strict     bool
	ofBlock    map[*block][]S
	ofEvent    map[eventKey]plan[S]
}

// eventKey is all that tells which statements run for an event.
type eventKey struct {
	feed, feedID, event string
	live                bool
}

// plan is what runs for events of one key.
type plan[S any] struct {
	statements []S
	known      bool // there is a block for the type, if not for the event
}

// NewPlans brings the statements of a projection's blocks into a form. If strict is set,
// an event without a block is an error.
func NewPlans[S any](p *Projection, strict bool, form func(*Statement) S) Plans[S] {
	all := Plans[S]{projection: p, strict: strict, ofBlock: make(map[*block][]S), ofEvent: make(map[eventKey]plan[S])}
	for i := range p.blocks {
		b := &p.blocks[i]
		for j := range b.statements {
			s := form(&b.statements[j])
			all.All = append(all.All, s)
			all.ofBlock[b] = append(all.ofBlock[b], s)
		}
	}
	return all
}

// Of returns the statements that run for an event, in order. An event without a block is
// counted in o, or refused.
func (p *Plans[S]) Of(e *event.Delivered, o *checkpoint.Outcome) ([]S, error) {
	plan := p.of(e)
	if plan.known {
		return plan.statements, nil
	}
	if p.strict {
		return nil, FailedEvent(e, fmt.Errorf("%s has no block for type %s, which --strict refuses: add one, without statements if there is nothing to do", p.projection.Name, e.Type))
	}
	if o.Skipped == nil {
		o.Skipped = make(map[checkpoint.FeedType]int64)
	}
	o.Skipped[checkpoint.FeedType{FeedID: e.FeedID, Type: e.Type}]++
	return nil, nil
}

func (p *Plans[S]) of(e *event.Delivered) plan[S] {
	key := eventKey{e.Feed, e.FeedID, e.Type, e.Live}
	found, there := p.ofEvent[key]
	if there {
		return found
	}
	for _, b := range p.projection.matching(key) {
		found.known = true
		if e.Live || !b.live {
			found.statements = append(found.statements, p.ofBlock[b]...)
		}
	}
	if len(p.ofEvent) >= maxKeys {
		clear(p.ofEvent)
	}
	// An event's strings lie in its page, which is not to be kept for them.
	key.feed, key.feedID, key.event = strings.Clone(key.feed), strings.Clone(key.feedID), strings.Clone(key.event)
	p.ofEvent[key] = found
	return found
}

// maxKeys bounds what is remembered, for producers that make types up.
const maxKeys = 10_000

// FailedEvent returns the error of applying an event.
func FailedEvent(e *event.Delivered, err error) error {
	return &checkpoint.EventError{Feed: e.Feed, Position: e.Position, ID: e.ID, Err: err}
}
