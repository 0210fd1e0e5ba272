package postgresdb

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DoWatched is Do for a transaction that may take as long as it needs, such as a
// migration or an import. It has no limit of time: whether the server is still at work
// on it is asked on another connection, as with a Step, and if not, DoWatched returns
// the error of a closed connection.
func DoWatched(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	// A number of its own, since nobody else takes part in this step.
	s := &Step{pool: pool, key: rand.Int64(), interval: watchInterval, answer: watchAnswer, deadAfter: deadAfter}
	begin := pgx.TxOptions{BeginQuery: Own.BeginQuery + fmt.Sprintf("; SELECT pg_advisory_xact_lock(%d)", s.key)}
	defer s.Watch(ctx, conn.Conn())()
	return pgx.BeginTxFunc(ctx, conn, begin, do)
}
