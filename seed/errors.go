package seed

import (
	"errors"

	"github.com/eventfeed/eventfeed/internal/walk"
)

// LostError reports that the target has applied events that the feed does not have: the feed
// lost its history after some position, for example by a restore, or was replaced. It matches
// ErrMismatch. If Compared is set, Rewind to Common lets an inbox resume. Rebuild what another
// sink has filled.
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

// Error names the feed, and the events that were read and that it lacks.
func (e *LostError) Error() string { return e.walks().Error() }

// Unwrap lets the error match ErrMismatch and its cause.
func (e *LostError) Unwrap() []error { return e.walks().Unwrap() }

func (e *LostError) walks() *walk.LostError {
	lost := walk.LostError(*e)
	return &lost
}

// OldError reports that the feed shows fewer events than the target has applied, and none that
// differ: the response comes from a cache or a server that lags. It does not match ErrMismatch;
// call Run again later.
type OldError struct {
	URL      string // the feed's, without passwords
	Last     int64  // last position that it shows
	Position int64  // last position that it has shown before
}

// Error names the feed, and both positions.
func (e *OldError) Error() string {
	old := walk.OldError(*e)
	return old.Error()
}

// public wraps err so that errors.As finds the exported error types of this package.
func public(err error) error {
	if err == nil {
		return nil
	}
	return publicError{err}
}

type publicError struct{ error }

func (e publicError) Unwrap() error { return e.error }

// As finds a LostError and an OldError.
func (e publicError) As(target any) bool {
	switch target := target.(type) {
	case **LostError:
		lost, is := errors.AsType[*walk.LostError](e.error)
		if is {
			public := LostError(*lost)
			*target = &public
		}
		return is
	case **OldError:
		old, is := errors.AsType[*walk.OldError](e.error)
		if is {
			public := OldError(*old)
			*target = &public
		}
		return is
	}
	return false
}
