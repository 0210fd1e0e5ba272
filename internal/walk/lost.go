package walk

import (
	"fmt"
	"slices"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// LostError reports that a target has read events that the feed does not have: the feed
// lost its history after some position, for example by a restore, or was replaced. It
// matches ErrMismatch.
type LostError struct {
	URL      string // the feed's, without passwords
	Epoch    string // of the last event that was read
	Position int64  // of the last event that was read

	// Next is the epoch that began when the history was lost, at position
	// NextFirst. It is empty if none has begun, or if the feed does not have
	// Epoch, so that nobody knows which epoch followed it.
	Next      string
	NextFirst int64
	// Known reports whether the feed has Epoch.
	Known bool

	// Common is the last position up to which the feed is known to have the history
	// that was read. It is set if Compared is true.
	Common   int64
	Compared bool

	// Cause is the error that showed the loss; nil if the epochs showed it.
	Cause error
}

func (e *LostError) Error() string {
	text := ErrMismatch.Error() + ": " + e.URL + ": the feed "
	announced := int64(-1) // the last common position according to the epochs
	switch {
	case e.Cause != nil:
		text = e.Cause.Error()
	case !e.Known:
		text += fmt.Sprintf("has no epoch %s: its history was replaced, or lost from before that epoch on; this target has read up to %d",
			e.Epoch, e.Position)
	case e.Next == "":
		text += fmt.Sprintf("has other events than this target, which has read up to %d: its history was replaced, or restored without a new epoch (feedserver new-epoch)",
			e.Position)
	default:
		announced = e.NextFirst - 1
		text += fmt.Sprintf("lost its history after position %d (epoch %s began at %d); this target has read up to %d of what was lost",
			announced, e.Next, e.NextFirst, e.Position)
	}
	if e.Compared && e.Common != announced {
		text += fmt.Sprintf("; both agree up to position %d", e.Common)
	}
	return text
}

// Unwrap lets the error match ErrMismatch and its cause.
func (e *LostError) Unwrap() []error {
	if e.Cause != nil {
		return []error{ErrMismatch, e.Cause}
	}
	return []error{ErrMismatch}
}

// Lost returns a LostError if the feed's epochs or its end show that it lacks events that
// were read up to place p. Otherwise it returns nil.
//
// After a loss a log begins a new epoch before it assigns any position. So a feed and a
// target that know the same epoch have its events in common, up to the position where one
// of them ends it. This holds even if the document ends earlier, as it does while a full
// page is not sealed yet. If an epoch was begun too late, or not at all, only
// [Client.Agreement] finds the loss.
func (h *Subscription) Lost(p Place) *LostError {
	lost := &LostError{URL: h.URL.Redacted(), Epoch: p.Epoch, Position: p.Position}
	own := slices.IndexFunc(h.Epochs, func(e feed.Epoch) bool { return e.ID == p.Epoch })
	if own < 0 {
		return lost
	}
	lost.Known = true
	if own+1 < len(h.Epochs) {
		next := h.Epochs[own+1]
		if p.Position < next.FirstPosition {
			return nil
		}
		lost.Next, lost.NextFirst = next.ID, next.FirstPosition
		return lost
	}
	if p.Position <= h.Last {
		return nil
	}
	return lost
}
