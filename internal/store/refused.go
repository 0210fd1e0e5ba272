package store

import (
	"context"
	"errors"
	"time"

	"github.com/eventfeed/eventfeed/event"
)

// ErrNotRefused reports that there is no refused row with this number.
var ErrNotRefused = errors.New("no such refused row")

// RefusedRow is a row that a trigger could not append to a feed, with the attributes as they were
// given, at least one of which is invalid. Nothing of it is in the feed.
type RefusedRow struct {
	Number  int64 // 1, 2, 3 … in the order in which rows were refused
	Refused time.Time
	Reason  string
	Event   event.Event // not in normal form
	Bytes   int64       // size of its data
}

// Refusals is implemented by databases whose triggers can refuse rows: PostgreSQL.
type Refusals interface {
	// Refused calls yield with the feed's refused rows in order, without their data.
	Refused(ctx context.Context, key int64, yield func(*RefusedRow) error) error
	// RefusedRow returns a refused row with its data, or ErrNotRefused.
	RefusedRow(ctx context.Context, key, number int64) (RefusedRow, error)
	// Discard deletes a refused row, or returns ErrNotRefused. In the same transaction it
	// appends the repaired event, if there is one.
	Discard(ctx context.Context, f *Feed, number int64, repaired *event.Event) error
}
