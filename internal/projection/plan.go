package projection

import (
	"fmt"
	"strings"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/sink"
)

// plans are the statements of a projection's blocks, each in the form S that a
// database takes, and which of them run for which event.
type plans[S any] struct {
	projection *Projection
	all        []S
	ofBlock    map[*block][]S
	ofEvent    map[eventKey]plan[S]
}

// eventKey is all that tells which statements run for an event.
type eventKey struct {
	feed, feedID, event string
	live                bool
}

type plan[S any] struct {
	statements []S
	known      bool // there is a block for the type, if not for the event
}

func newPlans[S any](p *Projection, form func(*statement) S) plans[S] {
	all := plans[S]{projection: p, ofBlock: make(map[*block][]S), ofEvent: make(map[eventKey]plan[S])}
	for i := range p.blocks {
		b := &p.blocks[i]
		for j := range b.statements {
			s := form(&b.statements[j])
			all.all = append(all.all, s)
			all.ofBlock[b] = append(all.ofBlock[b], s)
		}
	}
	return all
}

// of returns what runs for an event.
func (p *plans[S]) of(e *event.Delivered) plan[S] {
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

// count counts an event without a block, or refuses it.
func count(o *sink.Outcome, p *Projection, strict bool, e *event.Delivered) error {
	if strict {
		return failedEvent(e, fmt.Errorf("%s has no block for type %s, which --strict refuses: add one, without statements if there is nothing to do", p.Name, e.Type))
	}
	if o.Skipped == nil {
		o.Skipped = make(map[sink.Kind]int64)
	}
	o.Skipped[sink.Kind{FeedID: e.FeedID, Type: e.Type}]++
	return nil
}

func failedEvent(e *event.Delivered, err error) error {
	return &sink.EventError{Feed: e.Feed, Position: e.Position, ID: e.ID, Err: err}
}
