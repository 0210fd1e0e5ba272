package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/checkpoint"
)

// transaction is a checkpoint.ParkTx: a transaction that moves checkpoints.
type transaction struct {
	pgx.Tx
	sink Sink
}

// Apply passes events to the sink.
func (t transaction) Apply(ctx context.Context, b checkpoint.Batch) (checkpoint.Outcome, error) {
	outcome, err := t.sink.Apply(ctx, t.Tx, b)
	return outcome, marked(err)
}

// marked marks an error that an event itself causes: SQLSTATE class 22 (data exception), class
// 23 (integrity constraint violation) and P0001 (RAISE EXCEPTION).
func marked(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	own := len(pg.Code) == 5 && (pg.Code[:2] == "22" || pg.Code[:2] == "23") || pg.Code == "P0001" ||
		pg.Code == "0A000" && pg.Routine == "pg_unicode_to_server" // \u in JSON stands for a character that the database's encoding lacks
	if !own {
		return err
	}
	return checkpoint.Own(err)
}
