package projection

import "errors"

// ErrExists is matched by an error of a set-up that makes what is there already.
var ErrExists = errors.New("there already")

// Exists marks a database's error as one of ErrExists, without a word more.
func Exists(err error) error { return existsError{err} }

type existsError struct{ error }

func (e existsError) Unwrap() error        { return e.error }
func (e existsError) Is(target error) bool { return target == ErrExists }
