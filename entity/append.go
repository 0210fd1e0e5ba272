package entity

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/event"
)

// Append appends events to an entity in the transaction tx, if the entity is still at
// the version at which it was loaded, and returns it with them. An event without a
// Subject gets the entity's. The events become visible when the caller commits; after
// an error the caller must roll back.
//
// Events that are in the feed already, with the same id and content, are skipped
// whatever the version; if all are, the result is the entity as it was given.
//
// The error is [ErrVersion], [ErrPast], or one of [outbox.AppendExpecting].
func (r *Repository[S]) Append(ctx context.Context, tx Tx, e Entity[S], events ...event.Event) (Entity[S], error) {
	if e.past {
		return e, r.failed("append to", e.Subject, ErrPast)
	}
	if len(events) == 0 {
		return e, nil
	}
	named, err := r.named(e.Subject, events)
	if err != nil {
		return e, err
	}
	c := call{r.Feed, e.Subject, e.Version, named}
	result, err := tx.append(ctx, c)
	if err != nil {
		return e, r.failed("append to", e.Subject, err)
	}
	if result.New == 0 {
		return e, nil
	}
	*tx.appended = append(*tx.appended, c)
	// As the log has them: with their times, and with who appended them.
	err = tx.load(ctx, request{feed: r.Feed, subject: e.Subject, after: e.Version, upTo: math.MaxInt64},
		func(next *row) error { return r.add(&e, next) })
	if err != nil {
		return e, r.failed("append to", e.Subject, err)
	}
	return e, nil
}

// named returns the events with their subject and ids.
func (r *Repository[S]) named(subject string, events []event.Event) ([]event.Event, error) {
	events = slices.Clone(events)
	for i := range events {
		e := &events[i]
		if e.Subject == "" {
			e.Subject = subject
		}
		if e.Subject != subject {
			return nil, r.failed("append to", subject, fmt.Errorf("event %d, of type %s, is about %q: append it to that entity", i+1, e.Type, e.Subject))
		}
		if e.ID == "" {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, r.failed("append to", subject, err)
			}
			e.ID = id.String()
		}
	}
	return events, nil
}
