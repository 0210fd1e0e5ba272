// Package postgres keeps logs in PostgreSQL, version 13 or later, in the
// schema eventfeed.
package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/migrate"
	"github.com/eventfeed/eventfeed/internal/outbox"
	"github.com/eventfeed/eventfeed/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// minVersion is the oldest server that is known to work.
const minVersion = 130000

// minConnections leaves some for readers beside the four that publishing uses:
// the lead's, the sequencer's, the sealer's, and one to read with in a step.
const minConnections = 10

// readCommitted is what the order of events stands on: each statement sees all
// that is committed when it begins. The server's default may be another level.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// Log is a PostgreSQL database that holds logs.
type Log struct {
	pool *pgxpool.Pool

	mu     sync.Mutex
	leader *pgxpool.Conn // holds the advisory lock while this process leads
}

var _ store.Backend = (*Log)(nil)

// Open connects to the database at url and brings its schema up to date. The
// caller closes the log.
func Open(ctx context.Context, url string) (*Log, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	config.MaxConns = max(config.MaxConns, minConnections)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	l := &Log{pool: pool}
	if err := l.prepare(ctx); err != nil {
		pool.Close()
		return nil, readOnly(err)
	}
	return l, nil
}

func (l *Log) prepare(ctx context.Context) error {
	var version int
	var encoding string
	err := l.pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&version, &encoding)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if version < minVersion {
		return fmt.Errorf("PostgreSQL %d is too old, eventfeed needs version 13 or later", version/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("database encoding is %s, eventfeed needs UTF8", encoding)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migrate.Postgres(ctx, l.pool, "eventfeed", files)
}

// Close ends all connections, and with them this process's lead.
func (l *Log) Close() {
	l.mu.Lock()
	if l.leader != nil {
		l.dropLead()
	}
	l.mu.Unlock()
	l.pool.Close()
}

// Append adds events in one transaction.
func (l *Log) Append(ctx context.Context, name string, events []event.Event) (added int, err error) {
	err = pgx.BeginTxFunc(ctx, l.pool, readCommitted, func(tx pgx.Tx) error {
		added, err = outbox.Pgx(ctx, tx, name, events)
		return err
	})
	return added, readOnly(err)
}

// Write runs step in one transaction that is on disk when it has committed,
// whatever the server's default: a position that was served must survive.
func (l *Log) Write(ctx context.Context, step func(store.Tx) error) error {
	return readOnly(pgx.BeginTxFunc(ctx, l.pool, readCommitted, func(t pgx.Tx) error {
		_, err := t.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'remote_apply'`)
		if err != nil {
			return err
		}
		return step(tx{t})
	}))
}

// leadLock is the advisory lock of the one process that polls closely.
const leadLock = 0x6576656e74666c64 // "eventfld"

// Lead reports whether this process holds the lock of the one that leads, and
// takes it if it is free.
func (l *Log) Lead(ctx context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader != nil {
		if err := l.leader.Ping(ctx); err == nil {
			return true, nil
		}
		l.dropLead()
	}
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	var locked bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(leadLock)).Scan(&locked); err != nil || !locked {
		conn.Release()
		return false, err
	}
	l.leader = conn
	return true, nil
}

// dropLead closes the connection that holds the lock, and so the lock goes.
func (l *Log) dropLead() {
	_ = l.leader.Conn().Close(context.Background())
	l.leader.Release()
	l.leader = nil
}

// noRows turns pgx's error for no row into another one.
func noRows(err, instead error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return instead
	}
	return err
}
