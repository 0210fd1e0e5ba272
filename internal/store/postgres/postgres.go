// Package postgres keeps logs in PostgreSQL, version 13 or later, in the
// schema eventfeed.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	"github.com/eventfeed/eventfeed/internal/outbox"
	"github.com/eventfeed/eventfeed/internal/postgresdb"
	"github.com/eventfeed/eventfeed/internal/store"
)

// minVersion is the oldest server that is known to work.
const minVersion = 130000

// minConnections leaves some for readers beside the five that are in use all the
// time or often: the lead's, the one that listens, the sequencer's, the sealer's,
// and one to read with in a step; and beside those who append over HTTP.
const minConnections = 12

// readCommitted is what the order of events stands on: each statement sees all
// that is committed when it begins. The server's default may be another level.
var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted}

// Log is a PostgreSQL database that holds logs.
type Log struct {
	pool *pgxpool.Pool

	mu     sync.Mutex
	leader *postgresdb.AdvisoryLock // while this process leads
}

var _ store.Backend = (*Log)(nil)

// Open connects to the database at url. A schema that is not up to date it
// migrates, or refuses if it may not migrate. The caller closes the log.
func Open(ctx context.Context, url string, mayMigrate bool) (*Log, error) {
	pool, err := postgresdb.Open(ctx, url, minConnections)
	if err != nil {
		return nil, err
	}
	err = checkServer(ctx, pool)
	switch {
	case err != nil:
	case mayMigrate:
		err = schema().Up(ctx, pool)
	default:
		err = schema().Check(ctx, pool)
	}
	if err != nil {
		pool.Close()
		return nil, readOnly(err)
	}
	return &Log{pool: pool}, nil
}

func checkServer(ctx context.Context, pool *pgxpool.Pool) error {
	var version int
	var encoding string
	err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&version, &encoding)
	if err != nil {
		return err
	}
	if version < minVersion {
		return fmt.Errorf("PostgreSQL %d is too old, eventfeed needs version 13 or later", version/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("database encoding is %s, eventfeed needs UTF8", encoding)
	}
	return nil
}

// Close ends all connections, and with them this process's lead.
func (l *Log) Close() {
	l.mu.Lock()
	l.dropLead()
	l.mu.Unlock()
	l.pool.Close()
}

// Append adds events in one transaction.
func (l *Log) Append(ctx context.Context, name string, events []event.Event) (added int, err error) {
	err = pgx.BeginTxFunc(ctx, l.pool, readCommitted, func(tx pgx.Tx) error {
		added, err = outbox.Pgx(ctx, tx, name, events)
		return err
	})
	return added, l.failed(err)
}

// Write runs step in one transaction that is on disk when it has committed,
// whatever the server's default: a position that was served must survive.
func (l *Log) Write(ctx context.Context, wait time.Duration, step func(store.Tx) error) error {
	options := pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL READ COMMITTED; " + postgresdb.Limits(ctx, wait)}
	return l.failed(pgx.BeginTxFunc(ctx, l.pool, options, func(t pgx.Tx) error {
		_, err := t.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'remote_apply'`)
		if err != nil {
			return err
		}
		return step(tx{t})
	}))
}

// Lead reports whether this process holds the lock of the one that leads, and
// takes it if it is free.
func (l *Log) Lead(ctx context.Context) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leader != nil {
		select {
		case <-l.leader.Lost():
			l.dropLead()
		default:
			return true, nil
		}
	}
	lock, err := postgresdb.TryLock(ctx, l.pool, "eventfeed leader")
	l.leader = lock
	return lock != nil, l.failed(err)
}

func (l *Log) dropLead() {
	if l.leader != nil {
		l.leader.Release()
		l.leader = nil
	}
}

// failed drops connections that an error makes suspect, and says plainly where a
// database is read-only.
func (l *Log) failed(err error) error {
	postgresdb.Suspect(l.pool, err)
	return readOnly(err)
}

// noRows turns pgx's error for no row into another one.
func noRows(err, instead error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return instead
	}
	return err
}
