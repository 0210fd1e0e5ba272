package operations

import (
	"errors"
	"sync/atomic"
)

// Readiness is whether a server should get requests. It begins as one that
// should not.
type Readiness struct {
	state atomic.Int32
	// Needs returns why a server that is ready otherwise should get no requests
	// now, or nil. It is set before Begin; nil means that nothing is needed.
	Needs func() error
}

const (
	starting = iota
	ready
	stopping
)

// Errors that [Readiness.Err] returns.
var (
	ErrStarting = errors.New("starting: the feeds were not read yet")
	ErrStopping = errors.New("stopping")
)

// Begin says that the server can answer from now on, unless it is stopping.
func (r *Readiness) Begin() { r.state.CompareAndSwap(starting, ready) }

// Stop says that it is about to end.
func (r *Readiness) Stop() { r.state.Store(stopping) }

// Err returns why it should get no requests now, or nil.
func (r *Readiness) Err() error {
	switch r.state.Load() {
	case starting:
		return ErrStarting
	case stopping:
		return ErrStopping
	}
	if r.Needs != nil {
		return r.Needs()
	}
	return nil
}
