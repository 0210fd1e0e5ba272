package rabbitstream

import (
	"fmt"
	"time"
)

// CodeError is the broker's answer to a request that failed.
type CodeError uint16

// Codes that a publisher tells apart.
const (
	ok                        CodeError = 1
	ErrStreamDoesNotExist     CodeError = 2
	ErrStreamNotAvailable     CodeError = 6
	ErrMechanismNotSupported  CodeError = 7
	ErrAuthenticationFailure  CodeError = 8
	ErrAuthentication         CodeError = 9
	ErrAuthenticationLoopback CodeError = 11
	ErrVHostAccessFailure     CodeError = 12
	ErrFrameTooLarge          CodeError = 14
	ErrInternalError          CodeError = 15
	ErrAccessRefused          CodeError = 16
	ErrPreconditionFailed     CodeError = 17
)

var meanings = map[CodeError]string{
	ErrStreamDoesNotExist: "the stream does not exist", ErrStreamNotAvailable: "the stream is not available",
	ErrMechanismNotSupported: "the SASL mechanism is not supported", ErrAuthenticationFailure: "authentication failed",
	ErrAuthentication: "SASL error", ErrAuthenticationLoopback: "the user may log in over the loopback interface only",
	ErrVHostAccessFailure: "no access to the vhost", ErrFrameTooLarge: "the frame is too large", ErrInternalError: "internal error",
	ErrAccessRefused: "access refused", ErrPreconditionFailed: "precondition failed",
}

// Error returns the code in words.
func (c CodeError) Error() string {
	meaning, known := meanings[c]
	if !known {
		meaning = "code"
	}
	return fmt.Sprintf("%s (%d)", meaning, uint16(c))
}

// failed returns nil for the code of success.
func failed(c CodeError) error {
	if c == ok {
		return nil
	}
	return c
}

// SilentError reports that the broker has not answered, or has confirmed nothing, for a time. It may
// have an alarm, under which it reads nothing.
type SilentError struct {
	What      string // it has not done
	For       time.Duration
	Confirmed int // messages of Publish
}

func (e *SilentError) Error() string { return fmt.Sprintf("the broker has %s for %v", e.What, e.For) }

// TooLargeError reports a message that does not fit into a frame of the broker.
type TooLargeError struct {
	Index       int // of the message
	Size, Limit int // of the frame, in bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("message %d needs a frame of %d bytes, and the broker takes %d", e.Index, e.Size, e.Limit)
}
