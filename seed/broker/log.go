package broker

import (
	"context"

	"github.com/eventfeed/eventfeed/seed"
)

// Log is a message log of a broker that holds the publication of a feed and knows its own end: a
// Kafka topic, a JetStream stream, a RabbitMQ stream. The last message that it holds is the
// publisher's checkpoint. So if the broker loses messages that it has acknowledged, the checkpoint
// goes back with them, and the publisher publishes them again.
//
// NewTarget makes a target of it. Package logtest has the tests that every log must pass.
//
// A Log is for one run, and only one goroutine uses it. Each method returns soon after its context
// is done, with the context's error.
//
// Errors: an OperatorError, or an error that matches seed.ErrMismatch or seed.ErrMoved, ends the
// run. After any other error the log is closed, and after a while opened again, until the retry
// timeout is over. So a Log repairs no connection by itself.
type Log interface {
	// Open connects, and checks that the log can hold the publication of a feed: that it exists, that
	// its settings keep the last message, and that the broker is not too old. If not, it returns an
	// OperatorError with Usage, whose next step is the command that creates or changes the log. Open
	// changes nothing, and fences nobody: it is also called to show the status.
	Open(ctx context.Context, feed Feed) error
	// Claim fences other publishers of the feed, where the broker can. From then on, their Append
	// returns an error.
	Claim(ctx context.Context) error
	// End returns the place of the last message that consumers see; found is false if the feed was
	// never published to the log, and nothing else was. If the log has lost its last message, or
	// holds messages but none that shows the place, it returns a LostEndError. It does not need
	// Claim.
	End(ctx context.Context) (place Place, found bool, err error)
	// Earlier returns places of messages before End, in the order of positions and all of the same
	// history as End; none if the log cannot tell. With them a publisher finds the last position that
	// a restored feed has in common with what was published. Back says which messages to read.
	// It is called after End.
	Earlier(ctx context.Context) ([]Place, error)
	// Append publishes messages in this order, and returns when the broker has acknowledged all of
	// them. It begins after the place that End returned last, or after the last message that Append
	// has published since. After an error, a first part of the messages may be published: the log is
	// closed, and another End tells. A message that the broker does not take, since it is too large
	// for example, is an OperatorError that names the message, the limit and the setting; the
	// messages before it are published. The messages are valid during the call only.
	//
	// It returns an error that matches seed.ErrMoved if another publisher has taken over.
	Append(ctx context.Context, messages []Message) error
	// Close disconnects. It may be called more than once. Open may be called again after it.
	Close()
}

// LostEndError reports that a log does not show any more what was published last. It matches
// seed.ErrMismatch. The next step is to begin another generation, with seed.Rewind to a position
// that the consumers have, or to 0.
type LostEndError struct {
	Err error // what is missing, with the log's own numbers: sequence, offset
	// Generation is that of the last message, if the broker still knows it; otherwise 0.
	Generation int64
}

func (e *LostEndError) Error() string { return e.Err.Error() }

// LastGeneration returns the generation of the last message; 0 if it is not known.
func (e *LostEndError) LastGeneration() int64 { return e.Generation }

// Unwrap returns what is missing, and seed.ErrMismatch.
func (e *LostEndError) Unwrap() []error { return []error{e.Err, seed.ErrMismatch} }
