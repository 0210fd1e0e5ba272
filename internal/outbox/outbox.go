// Package outbox writes events in a transaction of the caller's, for each kind
// of transaction. The public package of the same name stands on it.
package outbox

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/eventfeed/eventfeed/event"
)

// Errors that callers tell apart; both are wrapped.
var (
	ErrNoFeed   = errors.New("no such feed, create it with: feedserver create NAME")
	ErrConflict = errors.New("event is in the feed already, with other content")
)

// ConflictError names the event of an ErrConflict, which Err wraps.
type ConflictError struct {
	Source, ID string
	Err        error
}

func (e *ConflictError) Error() string { return e.Err.Error() }
func (e *ConflictError) Unwrap() error { return e.Err }

// prepare returns the events in normal form, each with an id.
func prepare(events []event.Event) ([]event.Event, error) {
	normal := make([]event.Event, len(events))
	for i, e := range events {
		n, err := e.Normal()
		if err != nil {
			return nil, err
		}
		if n.ID == "" {
			id, err := uuid.NewV7()
			if err != nil {
				return nil, fmt.Errorf("make an id: %w", err)
			}
			n.ID = id.String()
		}
		normal[i] = n
	}
	return normal, nil
}
