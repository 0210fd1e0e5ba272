package store

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/internal/db/explain"
)

// How long a feed's row is waited for that another session has locked. The
// sequencer comes again, so it does not keep a connection waiting; the sealer has
// encoded pages that it would have to encode again; a command is run by someone who
// looks on.
const (
	sequenceWait = 100 * time.Millisecond
	sealWait     = 5 * time.Second
	commandWait  = 30 * time.Second
)

// BusyError says that another session has locked a feed's row: mostly another
// server, which moves the feed on.
type BusyError struct {
	At  int64 // grows as the feed is moved on
	Err error
}

func (e *BusyError) Error() string {
	return "another session has locked the feed's row in eventfeed.feeds: " + e.Err.Error()
}
func (e *BusyError) Unwrap() error { return e.Err }

// busy makes a BusyError of an error that says that a lock was not free.
func (l *Log) busy(ctx context.Context, name string, err error) error {
	if !explain.IsBusy(err) {
		return err
	}
	f, lookErr := l.Feed(ctx, name)
	if lookErr != nil {
		return err
	}
	return &BusyError{At: f.Position + f.Archives, Err: err}
}
