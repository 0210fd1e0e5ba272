package postgresdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrPooled is returned where a connection leads to a pooler: its sessions are
// nobody's, so no notification arrives.
var ErrPooled = errors.New("LISTEN does not work through a pooler")

// Listen calls heard with the payload of each notification on a channel, and
// once with an empty one when it has begun to listen, until ctx is done or the
// connection is lost. What was sent before is not heard.
func Listen(ctx context.Context, pool *pgxpool.Pool, channel string, heard func(payload string)) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	pooled, err := IsPooled(ctx, pool, conn.Conn())
	if err != nil {
		return err
	}
	if pooled {
		return ErrPooled
	}
	// It goes on listening, which is nothing for those who would use it next.
	defer func() { _ = conn.Conn().Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return fmt.Errorf("listen to %s: %w", channel, err)
	}
	heard("")
	for {
		notification, err := conn.Conn().WaitForNotification(ctx)
		if err != nil {
			return err
		}
		heard(notification.Payload)
	}
}
