package broker

// OperatorError is an error that an operator has to mend, so that trying again is of no use.
type OperatorError struct {
	Err  error
	Next string // the next step, one line
	// Usage says that what was asked for cannot work: something does not exist at the broker, or
	// has the wrong settings.
	Usage bool
}

func (e *OperatorError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *OperatorError) Unwrap() error { return e.Err }
