package postgresdb

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// AdvisoryLock is a lock on a name in a database. It goes with its connection,
// and so with the process.
type AdvisoryLock struct {
	conn *pgxpool.Conn
}

// TryLock takes the lock on name, on a connection of its own, or returns nil if
// someone holds it.
//
// Behind a pooler a session is nobody's, so there the lock is a transaction's
// that stays open. It has read nothing, so it holds up neither vacuum nor
// anyone else.
func TryLock(ctx context.Context, pool *pgxpool.Pool, name string) (*AdvisoryLock, error) {
	if pool.Config().MaxConns < 2 {
		return nil, errors.New("the pool has one connection, two are needed: set pool_max_conns")
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	locked, err := try(ctx, conn, name)
	if err != nil || !locked {
		conn.Release() // the pool drops it if its transaction is open
		return nil, err
	}
	return &AdvisoryLock{conn}, nil
}

func try(ctx context.Context, conn *pgxpool.Conn, name string) (locked bool, err error) {
	function := "pg_try_advisory_lock"
	pooled, err := isPooled(ctx, conn.Conn())
	if err != nil {
		return false, err
	}
	if pooled {
		function = "pg_try_advisory_xact_lock"
		if _, err := conn.Exec(ctx, "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return false, err
		}
	}
	err = conn.QueryRow(ctx, "SELECT pg_catalog."+function+"(pg_catalog.hashtextextended($1, 0::bigint))", name).Scan(&locked)
	return locked, err
}

// lockInterval is how often Lock tries.
const lockInterval = 100 * time.Millisecond

// Lock waits until it can take the lock on name.
func Lock(ctx context.Context, pool *pgxpool.Pool, name string) (*AdvisoryLock, error) {
	for {
		if lock, err := TryLock(ctx, pool, name); lock != nil || err != nil {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockInterval):
		}
	}
}

// Alive reports whether the lock's connection still answers.
func (l *AdvisoryLock) Alive(ctx context.Context) bool { return l.conn.Ping(ctx) == nil }

// Release gives the lock back, by closing its connection.
func (l *AdvisoryLock) Release() {
	_ = l.conn.Conn().Close(context.Background())
	l.conn.Release()
}

// IsLocked is a condition in SQL: whether anyone holds the lock on the name
// that an expression gives.
func IsLocked(name string) string {
	return `EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
		WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
		AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(` + name + `, 0::bigint))`
}
