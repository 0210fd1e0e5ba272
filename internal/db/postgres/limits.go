package postgresdb

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// limitGrace is how much later than the client the server ends what takes too long,
// so that it is the client that says so, if it is still there.
const limitGrace = 5 * time.Second

// Limited is Own for a transaction that waits no longer than this for a lock that
// another session holds. A deadline of ctx also bounds how long a statement may take
// at the server, and how long the server waits for the client between two of them: so
// a client that is gone holds no lock for longer. It is for statements whose time is
// known, not for users'.
func Limited(ctx context.Context, lockWait time.Duration) pgx.TxOptions {
	all := []setting{{"lock_timeout", milliseconds(lockWait)}}
	if deadline, ok := ctx.Deadline(); ok {
		limit := milliseconds(max(time.Until(deadline), 0) + limitGrace)
		all = append(all, setting{"statement_timeout", limit}, setting{"idle_in_transaction_session_timeout", limit},
			setting{"tcp_user_timeout", limit}) // while the server sends rows to a client that takes none
	}
	return pgx.TxOptions{BeginQuery: Own.BeginQuery + "; " + setAll(true, all)}
}

func milliseconds(d time.Duration) string { return fmt.Sprint(max(d.Milliseconds(), 1)) }
