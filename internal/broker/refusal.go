package broker

// Refusal is an error that an operator has to mend, so that trying again is of no use.
type Refusal struct {
	Err  error
	Next string // the next step, one line
	// Usage says that what was asked for cannot work: something does not exist at the broker, or
	// has the wrong settings.
	Usage bool
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }
