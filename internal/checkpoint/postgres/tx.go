package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// transaction is one that moves checkpoints: a checkpoint.ParkTx.
type transaction struct {
	pgx.Tx
	sink Sink
}

// Apply gives events to the sink.
func (t transaction) Apply(ctx context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	outcome, err := t.sink.Apply(ctx, t.Tx, b)
	return outcome, marked(err)
}

// marked marks an error that is an event's own: SQLSTATE class 22 (data exception),
// class 23 (integrity constraint violation) and P0001 (RAISE EXCEPTION).
func marked(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	own := len(pg.Code) == 5 && (pg.Code[:2] == "22" || pg.Code[:2] == "23") || pg.Code == "P0001" ||
		pg.Code == "0A000" && pg.Routine == "pg_unicode_to_server" // what \u in JSON stands for, in a database that is not in UTF-8
	if !own {
		return err
	}
	return checkpoint.Own(err)
}
