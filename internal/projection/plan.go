package projection

import (
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// Plans holds the statements of a projection's blocks, each in a database's form S, and finds
// those that run for an event.
type Plans[S any] struct {
	All []S // statements, in the order of the file

	projection *Projection
	strict     bool
	ofBlock    map[*block][]S
	ofEvent    map[eventKey]plan[S]
}

// eventKey holds the attributes that decide which statements run for an event.
type eventKey struct {
	feed, feedID, event string
	live                bool
}

// plan holds the statements for events of one key.
type plan[S any] struct {
	statements []S
	blocks     []*block // that match the type, even if they do not run for the event
}

// NewPlans returns the plans of a projection, with each statement converted by form. If strict
// is set, an event without a block is an error, and so is one with a dataschema that its block is
// not written for.
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

// Of returns the statements that run for an event, in order. It counts an event without a block
// in o, or returns an error if strict is set. If strict is set, it also returns an error for an event
// with a dataschema that one of its blocks is not written for.
func (p *Plans[S]) Of(e *event.Delivered, o *checkpoint.Outcome) ([]S, error) {
	plan := p.of(e)
	for _, b := range plan.blocks {
		if !p.strict {
			break
		}
		if err := b.checkSchema(p.projection.Name, e); err != nil {
			return nil, FailedEvent(e, err)
		}
	}
	if len(plan.blocks) > 0 {
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
		found.blocks = append(found.blocks, b)
		if e.Live || !b.live {
			found.statements = append(found.statements, p.ofBlock[b]...)
		}
	}
	if len(p.ofEvent) >= maxKeys {
		clear(p.ofEvent)
	}
	// Clones, so that the strings do not keep the event's page in memory.
	key.feed, key.feedID, key.event = strings.Clone(key.feed), strings.Clone(key.feedID), strings.Clone(key.event)
	p.ofEvent[key] = found
	return found
}

// maxKeys is the maximum number of cached plans, because a producer may have any number of types.
const maxKeys = 10_000

// FailedEvent returns the error of applying an event.
func FailedEvent(e *event.Delivered, err error) error {
	return &checkpoint.EventError{Feed: e.Feed, Position: e.Position, ID: e.ID, Err: err}
}
