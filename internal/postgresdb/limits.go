package postgresdb

import (
	"context"
	"fmt"
	"time"
)

// limitGrace is how much later than the client the server ends what takes too long,
// so that it is the client that says so, if it is still there.
const limitGrace = 5 * time.Second

// Limits returns SQL that bounds the transaction that is open: how long it waits for
// a lock, and by the deadline of ctx, if it has one, how long a statement may take
// and how long the server waits for the client between two of them. It is for the
// programs' own statements, whose time is known. A client that is gone holds no lock
// for longer then.
func Limits(ctx context.Context, lockWait time.Duration) string {
	all := []setting{{"lock_timeout", milliseconds(lockWait)}}
	if deadline, ok := ctx.Deadline(); ok {
		limit := milliseconds(max(time.Until(deadline), 0) + limitGrace)
		all = append(all, setting{"statement_timeout", limit}, setting{"idle_in_transaction_session_timeout", limit},
			setting{"tcp_user_timeout", limit}) // while the server sends rows to a client that takes none
	}
	return setAll(true, all)
}

func milliseconds(d time.Duration) string { return fmt.Sprint(max(d.Milliseconds(), 1)) }
