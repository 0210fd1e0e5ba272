package checkpoint

import "errors"

// ErrOwn is matched by errors that an event itself causes: its content does not fit the
// target, so the error would be the same the next time.
var ErrOwn = errors.New("the event is not what it should be")

// IsOwn reports whether an event itself caused an error.
func IsOwn(err error) bool {
	return errors.Is(err, ErrOwn) && !errors.Is(err, ErrThere) // then the checkpoint is wrong, and not the event
}

// Own marks an error as caused by an event itself. It does not change the text.
func Own(err error) error { return ownError{err} }

type ownError struct{ error }

func (e ownError) Unwrap() error        { return e.error }
func (e ownError) Is(target error) bool { return target == ErrOwn }
