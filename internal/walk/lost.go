package walk

import (
	"fmt"
	"slices"

	"github.com/eventfeed/eventfeed/internal/feed"
)

// LostError says that a reader has got to where the feed's history does not
// lead: the history was lost from some position on, as by a restore, or
// replaced. It is an ErrMismatch.
type LostError struct {
	URL      string // the feed's, without passwords
	Epoch    string // that the reader is in
	Position int64  // that the reader has got to

	// Known says that the feed knows the reader's epoch. Then all that both
	// have in common ends at position Common; else nothing but the events
	// themselves could tell.
	Known  bool
	Common int64

	// Next is the epoch that began when the history was lost, at position
	// NextFirst. It is empty if none has begun, and the feed simply ends.
	Next      string
	NextFirst int64
}

func (e *LostError) Error() string {
	text := ErrMismatch.Error() + ": " + e.URL + ": the feed "
	switch {
	case !e.Known:
		text += fmt.Sprintf("knows no epoch %s: its history was replaced, or lost from before that epoch on; this target has read up to %d",
			e.Epoch, e.Position)
	case e.Next == "":
		text += fmt.Sprintf("ends at position %d; this target has read up to %d (a feed that was restored must begin a new epoch first: feedserver new-epoch)",
			e.Common, e.Position)
	default:
		text += fmt.Sprintf("lost its history after position %d (epoch %s began at %d); this target has read up to %d of what was lost",
			e.Common, e.Next, e.NextFirst, e.Position)
	}
	return text
}

// Unwrap lets the error match ErrMismatch.
func (e *LostError) Unwrap() error { return ErrMismatch }

// Common returns the last position that this feed's history and a reader's
// have in common, the reader having got to place p: p itself if nothing that
// was read has been lost, else one before it, together with a LostError.
//
// A log places events in an epoch on one history only: after a loss it begins
// the next one before it goes on. So two who know the same epoch have it in
// common up to where one of them leaves it; even if the document ends before
// that, as it does where pages are full and not sealed yet.
func (h *Head) Common(p Place) (end int64, err error) {
	lost := &LostError{URL: h.URL.Redacted(), Epoch: p.Epoch, Position: p.Position}
	own := slices.IndexFunc(h.Epochs, func(e feed.Epoch) bool { return e.ID == p.Epoch })
	if own < 0 {
		return 0, lost
	}
	lost.Known, lost.Common = true, h.Last
	if own+1 < len(h.Epochs) {
		next := h.Epochs[own+1]
		lost.Next, lost.NextFirst, lost.Common = next.ID, next.FirstPosition, next.FirstPosition-1
	}
	if p.Position <= lost.Common {
		return p.Position, nil
	}
	return lost.Common, lost
}
