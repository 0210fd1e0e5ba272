package projection

import "errors"

// ErrExists is matched by an error of a setup that creates an object that exists already.
var ErrExists = errors.New("there already")

// Exists marks a database's error so that it matches ErrExists. It does not change the text.
func Exists(err error) error { return existsError{err} }

type existsError struct{ error }

func (e existsError) Unwrap() error        { return e.error }
func (e existsError) Is(target error) bool { return target == ErrExists }
