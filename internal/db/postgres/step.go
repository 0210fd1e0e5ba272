package postgresdb

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Step is a series of transactions, one at a time, that may take as long as they
// need: they run users' SQL and handlers. None has a limit of time. Whether one is
// dead is asked on another connection: a lock that each transaction holds tells which
// of the server's processes it is in, also behind a pooler, and PostgreSQL tells what
// that process does.
type Step struct {
	pool      *pgxpool.Pool
	key       int64         // of the lock
	interval  time.Duration // between two looks
	answer    time.Duration // for one, once it has connected
	deadAfter time.Duration // of waiting for its client a transaction may be ended by whoever needs its lock
}

// How a transaction is watched.
const (
	watchInterval = 20 * time.Second // between two looks
	watchAnswer   = 10 * time.Second // for one, once it has connected
	deadAfter     = time.Minute
)

// lockWait is how long the programs' own statements in a step wait for a lock that
// another session holds. It bounds what someone in psql can stop.
const lockWait = 10 * time.Second

// NewStep returns the step of this name in a database.
func NewStep(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn, name string) (*Step, error) {
	s := &Step{pool: pool, interval: watchInterval, answer: watchAnswer, deadAfter: deadAfter}
	err := conn.QueryRow(ctx, "SELECT pg_catalog.hashtextextended($1, 0)", name).Scan(&s.key)
	return s, err
}

// Options are options for a transaction of the step, with its lock. Another one's
// transaction is waited for. Any other lock is waited for no longer than 10 s, until
// Theirs.
func (s *Step) Options(options pgx.TxOptions) pgx.TxOptions {
	return pgx.TxOptions{BeginQuery: options.BeginQuery +
		fmt.Sprintf("; SELECT pg_advisory_xact_lock(%d); SET LOCAL lock_timeout = %s", s.key, milliseconds(lockWait))}
}

// holders are the processes in whose transactions the step is; $1 is its key.
const holders = `FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database d ON d.oid = l.database
	WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
	AND (l.classid::bigint << 32 | l.objid::bigint) = $1`

// Clear reports whether nobody is in a transaction of the step. It ends one that has
// waited for its client for a minute, as it does if the client's machine has vanished.
// Whoever calls it must be the only one who may begin the step.
func (s *Step) Clear(ctx context.Context, db Beginner) (free bool, err error) {
	err = Do(ctx, db, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", s.key).Scan(&free); err != nil || free {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT pg_terminate_backend(a.pid) `+holders+`
			AND a.wait_event_type = 'Client' AND a.state_change < now() - make_interval(secs => $2)`, s.key, s.deadAfter.Seconds())
		return err
	})
	return free, err
}

// Watch closes conn's connection if the server is not at work on the step any more,
// while it is being waited for, so that the wait ends with an error. It looks every
// few seconds until stop is called.
func (s *Step) Watch(ctx context.Context, conn *pgx.Conn) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	w := watcher{step: s, link: linkOf(conn)}
	below := conn.PgConn().Conn()
	if w.link != nil {
		below = w.link // so that nothing is said before the end, which TLS would wait to do
	}
	go func() {
		defer w.close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(s.interval):
			}
			if w.isDead(ctx) && ctx.Err() == nil {
				_ = below.Close()
				return
			}
		}
	}()
	return cancel
}

// watcher looks at one transaction of a step.
type watcher struct {
	step  *Step
	link  *link     // nil where nobody knows whether this program waits
	conn  *pgx.Conn // another one, once it is needed
	since int64     // of the wait for the server that the last look took for a dead one
}

func (w *watcher) close() {
	if w.conn != nil {
		closeConn(w.conn)
	}
}

// isDead reports whether two looks, one after the other, have found this program
// waiting for the server in the same read or write, and the server waiting for this
// program, or not in the transaction at all. Only the latter counts where nobody knows
// whether this program waits. Where nobody can be asked nothing is known.
func (w *watcher) isDead(ctx context.Context) bool {
	since, before := int64(1), w.since
	if w.link != nil {
		since = w.link.waitsSince()
	}
	if w.since = 0; since == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, w.step.answer+connectLimit(w.step.pool))
	defer cancel()
	there, works, err := w.look(ctx)
	if err != nil {
		w.close()
		w.conn = nil
		return false
	}
	if works || there && w.link == nil {
		return false
	}
	w.since = since
	return since == before
}

// look asks whether the server is in the transaction, and at work on it.
func (w *watcher) look(ctx context.Context) (there, works bool, err error) {
	if w.conn == nil {
		if w.conn, err = connectBeside(ctx, w.step.pool); err != nil {
			w.conn = nil
			return false, false, err
		}
	}
	err = Do(ctx, w.conn, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) > 0, count(*) FILTER (WHERE a.wait_event_type IS DISTINCT FROM 'Client') > 0 `+holders, w.step.key).
			Scan(&there, &works)
	})
	return there, works, err
}

// linkPiece is how many bytes a link writes at once.
const linkPiece = 16 << 10

// link is a connection that knows whether someone waits in it.
type link struct {
	net.Conn
	started       time.Time
	reads, writes atomic.Int64 // since when, in nanoseconds after started; 0 for nobody
}

func newLink(conn net.Conn) *link { return &link{Conn: conn, started: time.Now()} }

func (l *link) Read(b []byte) (int, error) {
	l.reads.Store(int64(time.Since(l.started)) + 1)
	defer l.reads.Store(0)
	return l.Conn.Read(b)
}

// Write writes piece by piece, so that a slow network does not look like none.
func (l *link) Write(b []byte) (written int, err error) {
	defer l.writes.Store(0)
	for piece := range slices.Chunk(b, linkPiece) {
		l.writes.Store(int64(time.Since(l.started)) + 1)
		n, err := l.Conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// SyscallConn returns the socket.
func (l *link) SyscallConn() (syscall.RawConn, error) {
	socket, is := l.Conn.(syscall.Conn)
	if !is {
		return nil, fmt.Errorf("a %T has no descriptor", l.Conn)
	}
	return socket.SyscallConn()
}

// waitsSince identifies the read or the write that is going on, 0 for none.
func (l *link) waitsSince() int64 { return max(l.reads.Load(), l.writes.Load()) }

// linkOf returns the link of a connection; nil for one of a pool that Open has not
// made.
func linkOf(conn *pgx.Conn) *link {
	below := conn.PgConn().Conn()
	if secure, ok := below.(*tls.Conn); ok {
		below = secure.NetConn()
	}
	if l, ok := below.(*link); ok {
		return l
	}
	return nil
}
