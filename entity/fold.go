package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/eventfeed/eventfeed/event"
)

// ErrImpure reports an Apply or Upcast that gives two states for the same events.
var ErrImpure = errors.New("the same events give two states: Apply and Upcast must depend on nothing but their arguments")

// Fold returns the state that events give after a state, as in a test of Apply. It folds
// twice, each time from a copy of the state that encoding/json makes, and returns
// [ErrImpure], wrapped, if the results differ, as by a clock, by the order of a map, or by
// a variable that Apply keeps.
func (r *Repository[S]) Fold(state S, events ...event.Event) (S, error) {
	before, err := json.Marshal(&state)
	if err != nil {
		return state, fmt.Errorf("fold %s: %w", r.name(), err)
	}
	var results [2]S
	var texts [2][]byte
	for i := range results {
		if err := json.Unmarshal(before, &results[i]); err != nil {
			return state, fmt.Errorf("fold %s: %w", r.name(), err)
		}
		for n, e := range events {
			if results[i], err = r.upcastAndApply(results[i], e); err != nil {
				return state, fmt.Errorf("fold %s: event %d, of type %s: %w", r.name(), n+1, e.Type, err)
			}
		}
		if texts[i], err = json.Marshal(&results[i]); err != nil {
			return state, fmt.Errorf("fold %s: %w", r.name(), err)
		}
	}
	if !bytes.Equal(texts[0], texts[1]) {
		return state, fmt.Errorf("fold %s: %w: %.200s and %.200s", r.name(), ErrImpure, texts[0], texts[1])
	}
	return results[0], nil
}

func (r *Repository[S]) upcastAndApply(state S, e event.Event) (S, error) {
	if r.Upcast == nil {
		return r.Apply(state, e)
	}
	events, err := r.Upcast(e)
	if err != nil {
		return state, fmt.Errorf("upcast: %w", err)
	}
	for _, e := range events {
		if state, err = r.Apply(state, e); err != nil {
			return state, err
		}
	}
	return state, nil
}
