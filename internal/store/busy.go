package store

import (
	"context"
	"time"

	"github.com/eventfeed/eventfeed/internal/db/explain"
)

// How long to wait for a feed's row that another session has locked. The sequencer retries
// soon, so it does not occupy a connection. The sealer would have to encode its pages again.
// The user of a command can wait longer.
const (
	sequenceWait = 100 * time.Millisecond
	sealWait     = 5 * time.Second
	commandWait  = 30 * time.Second
)

// BusyError reports that another session has locked a feed's row. Usually this is another
// server, which sequences or seals the feed.
type BusyError struct {
	At  int64 // grows with each event sequenced and each page sealed
	Err error
}

func (e *BusyError) Error() string {
	return "another session has locked the feed's row in eventfeed.feeds: " + e.Err.Error()
}
func (e *BusyError) Unwrap() error { return e.Err }

// busy turns an error of a lock timeout into a BusyError.
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
