package checkpoint

import "errors"

// ErrOwn is matched by errors that are an event's own: what it says does not fit what it
// is applied to, so that the error would be the same the next time.
var ErrOwn = errors.New("the event is not what it should be")

// IsOwn reports whether an error is an event's own.
func IsOwn(err error) bool {
	return errors.Is(err, ErrOwn) && !errors.Is(err, ErrThere) // where the checkpoint is at fault, and any event would do
}

// Own marks an error as an event's own, without a word more.
func Own(err error) error { return ownError{err} }

type ownError struct{ error }

func (e ownError) Unwrap() error        { return e.error }
func (e ownError) Is(target error) bool { return target == ErrOwn }
