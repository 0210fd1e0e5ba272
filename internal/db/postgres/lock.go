package postgresdb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// AdvisoryLock is a lock on a name in a database. It belongs to a connection of
// its own, and so to the process. The connection is kept alive by a sign of life
// every few seconds; a server that gets none for a minute ends it, so that the lock
// of a process whose machine has vanished is free then, whatever stands between the
// two and answers in its place.
type AdvisoryLock struct {
	conn  *pgxpool.Conn
	lost  chan struct{} // closed by keep when the connection is lost
	stop  context.CancelFunc
	ended chan struct{} // closed when keep has ended
}

// How a lock's connection is kept alive.
const (
	beatInterval = 15 * time.Second // between two signs of life
	beatAnswer   = 10 * time.Second // for the server's answer
	// silence is how long the server lets the connection be without a sign of
	// life, in milliseconds.
	silence = "60000"
)

// TryLock takes the lock on name, on a connection of its own, or returns nil if
// someone holds it and goes on to do so for as long as patience. The time that it
// takes to connect does not count.
//
// Behind a pooler a session is nobody's, so there the lock is a transaction's that
// stays open.
func TryLock(ctx context.Context, pool *pgxpool.Pool, name string, patience time.Duration) (*AdvisoryLock, error) {
	if pool.Config().MaxConns < 2 {
		return nil, errors.New("the pool has one connection, two are needed: set pool_max_conns")
	}
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	locked, err := try(ctx, pool, conn.Conn(), name, patience)
	if err != nil {
		closeConn(conn.Conn()) // which may hold the lock
	}
	if err != nil || !locked {
		conn.Release() // the pool drops it if its transaction is open
		return nil, err
	}
	l := &AdvisoryLock{conn: conn, lost: make(chan struct{}), ended: make(chan struct{})}
	ctx, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.keep(ctx)
	return l, nil
}

func try(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn, name string, patience time.Duration) (locked bool, err error) {
	pooled, err := IsPooled(ctx, pool, conn)
	if err != nil {
		return false, err
	}
	var key int64
	if err := queryRow(ctx, conn, "SELECT hashtextextended($1, 0::bigint)", name).Scan(&key); err != nil {
		return false, err
	}
	try := trySession
	if pooled {
		try = tryTransaction
	}
	for began := time.Now(); ; {
		if locked, err = try(ctx, conn, key); err != nil || locked || time.Since(began) >= patience {
			return locked, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(lockInterval):
		}
	}
}

// trySession takes the lock in the session.
func trySession(ctx context.Context, conn *pgx.Conn, key int64) (locked bool, err error) {
	if err := queryRow(ctx, conn, "SELECT pg_catalog.pg_try_advisory_lock($1)", key).Scan(&locked); err != nil || !locked {
		return false, err
	}
	_, err = conn.Exec(ctx, setAll(false, sessionLimits))
	return err == nil, err
}

// The limits of a session that holds a lock, and of a transaction that does.
var (
	sessionLimits = append([]setting{
		{"idle_session_timeout", silence}, // not known to PostgreSQL 13
		{"statement_timeout", "0"},
	}, serverKeepAlive...)
	transactionLimits = []setting{
		{"idle_in_transaction_session_timeout", silence},
		{"statement_timeout", "0"},
		{"transaction_timeout", "0"}, // not known before PostgreSQL 17
	}
)

// tryTransaction takes the lock in a transaction that stays open.
//
// It must hold no snapshot while it is idle, or vacuum would stand still in the
// whole database. So it is read committed, whatever the default is: there a
// snapshot ends with its statement. And its statements are simple queries: the
// portal of an extended one, and with it the snapshot, lasts until the next one.
func tryTransaction(ctx context.Context, conn *pgx.Conn, key int64) (locked bool, err error) {
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;"+setAll(true, transactionLimits)); err != nil {
		return false, err
	}
	query := fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_xact_lock(%d)", key)
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	if err != nil {
		return false, err
	}
	if locked = string(results[0].Rows[0][0]) == "t"; !locked {
		_, err = conn.Exec(ctx, "ROLLBACK")
	}
	return locked, err
}

// setting is a parameter of a session, and its value.
type setting struct{ name, value string }

// setAll returns SQL that sets parameters, and leaves out those that the server
// does not know: for the transaction that is open, or else for the session.
func setAll(local bool, all []setting) (sql string) {
	for _, s := range all {
		sql += fmt.Sprintf("SELECT CASE WHEN pg_catalog.current_setting('%s', true) IS NOT NULL THEN pg_catalog.set_config('%s', '%s', %t) END;",
			s.name, s.name, s.value, local)
	}
	return sql
}

// keep waits for the end of the lock's connection, and gives a sign of life now
// and then.
func (l *AdvisoryLock) keep(ctx context.Context) {
	defer close(l.ended)
	conn := l.conn.Conn()
	for {
		err := waitOrBeat(ctx, conn)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			close(l.lost)
			closeConn(conn)
			return
		}
	}
}

// waitOrBeat waits for anything that the server says by itself, such as that it
// ends the connection, and asks for a sign of life if it says nothing.
func waitOrBeat(ctx context.Context, conn *pgx.Conn) error {
	wait, cancel := context.WithTimeout(ctx, beatInterval)
	defer cancel()
	err := conn.PgConn().WaitForNotification(wait)
	if err == nil || wait.Err() == nil || conn.IsClosed() {
		return err
	}
	return beat(ctx, conn)
}

// beat asks the server for a sign of life.
func beat(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, beatAnswer)
	defer cancel()
	return conn.PgConn().Exec(ctx, "SELECT 1").Close()
}

// lockInterval is how often a lock is tried.
const lockInterval = 100 * time.Millisecond

// Lock waits until it can take the lock on name.
func Lock(ctx context.Context, pool *pgxpool.Pool, name string) (*AdvisoryLock, error) {
	return TryLock(ctx, pool, name, math.MaxInt64)
}

// Lost returns a channel that is closed when the lock's connection has ended, or
// has not answered: then someone else may have the lock. Release does not close it.
func (l *AdvisoryLock) Lost() <-chan struct{} { return l.lost }

// Share calls use with the descriptor of the lock's connection. A process that
// inherits it keeps the lock for as long as it holds it open, also if this process
// ends first; but Release ends the lock at once.
func (l *AdvisoryLock) Share(use func(fd uintptr) error) (err error) {
	conn := l.conn.Conn().PgConn().Conn()
	if encrypted, is := conn.(*tls.Conn); is {
		conn = encrypted.NetConn()
	}
	socket, is := conn.(syscall.Conn)
	if !is {
		return fmt.Errorf("the lock's connection is a %T, which has no descriptor", conn)
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := raw.Control(func(fd uintptr) { err = use(fd) }); controlErr != nil {
		return controlErr
	}
	return err
}

// Release gives the lock back, by closing its connection. It is called once.
func (l *AdvisoryLock) Release() {
	l.stop()
	<-l.ended
	closeConn(l.conn.Conn())
	l.conn.Release()
}

// closeConn closes a connection, also one that does not answer.
func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// IsLocked is a condition in SQL: whether anyone holds the lock on the name
// that an expression gives.
func IsLocked(name string) string {
	return `EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid = l.database
		WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
		AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(` + name + `, 0::bigint))`
}
