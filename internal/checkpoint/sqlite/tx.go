package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// transaction is a checkpoint.ParkTx: a transaction that moves checkpoints.
type transaction struct {
	*sql.Tx
	sink Sink
}

// Apply passes events to the sink.
func (t transaction) Apply(ctx context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	outcome, err := t.sink.Apply(ctx, t.Tx, b)
	return outcome, marked(err)
}

// marked marks an error that an event itself causes: SQLITE_CONSTRAINT and SQLITE_MISMATCH.
func marked(err error) error {
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		code := lite.Code() & 0xff
		if code == sqlitecodes.SQLITE_CONSTRAINT || code == sqlitecodes.SQLITE_MISMATCH {
			return checkpoint.Own(err)
		}
	}
	return err
}
