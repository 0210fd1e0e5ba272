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
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/eventfeed/eventfeed/event"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/store"
	"github.com/eventfeed/eventfeed/outbox"
)

// minVersion is the oldest supported version of PostgreSQL.
const minVersion = 130000

// minConnections is the minimum size of the pool. Five connections are in use always or often:
// those of the leader lock, of LISTEN, of the sequencer, of the sealer, and of reads in a step.
// The others are for readers and for appends over HTTP.
const minConnections = 12

// Log is a PostgreSQL database that holds logs.
type Log struct {
	queries
	pool *pgxpool.Pool

	mu     sync.Mutex
	leader *postgresdb.AdvisoryLock // while this process leads
	left   time.Time                // when all connections were last closed
	// stopListening ends Watch, if it runs.
	stopListening context.CancelFunc
}

var _ store.Backend = (*Log)(nil)

// Open connects to the database at url. If the schema is not up to date, Open migrates it, or
// returns an error if mayMigrate is false. The caller closes the log.
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
	if err == nil {
		err = checkIdentity(ctx, pool)
	}
	if err != nil {
		pool.Close()
		return nil, readOnly(err)
	}
	return &Log{queries: queries{postgresdb.NewReader(pool)}, pool: pool, stopListening: func() {}}, nil
}

func checkServer(ctx context.Context, pool *pgxpool.Pool) error {
	var version int
	var encoding string
	err := postgresdb.NewReader(pool).QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").Scan(&version, &encoding)
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

// Close closes all connections, and releases the leader lock.
func (l *Log) Close() {
	l.mu.Lock()
	l.dropLead()
	l.mu.Unlock()
	l.pool.Close()
}

// appendAttempts is the maximum number of attempts after serialization failures. A transaction that
// finds the sequences outdated fails in that way.
const appendAttempts = 3

// Append appends events in one transaction.
func (l *Log) Append(ctx context.Context, name string, events []event.Event) (added int, err error) {
	for range appendAttempts {
		err = postgresdb.DoWatched(ctx, l.pool, func(tx pgx.Tx) error {
			result, err := outbox.Append(ctx, tx, name, events...)
			added = result.New
			return err
		})
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "40001" {
			break
		}
	}
	return added, l.writing(err)
}

// Write runs step in one transaction that is durable after the commit, because a position that was
// served must survive. Each statement sees everything that was committed before the statement
// began; the order of events depends on that.
func (l *Log) Write(ctx context.Context, wait time.Duration, step func(store.Tx) error) error {
	return l.writing(pgx.BeginTxFunc(ctx, l.pool, postgresdb.Limited(ctx, wait), func(t pgx.Tx) error { return step(tx{t}) }))
}

// Lead reports whether this process holds the leader lock. It takes the lock if it is free.
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
	lock, err := postgresdb.TryLock(ctx, l.pool, "eventfeed leader", 0)
	l.leader = lock
	postgresdb.Suspect(l.pool, err)
	return lock != nil, err
}

func (l *Log) dropLead() {
	if l.leader != nil {
		l.leader.Release()
		l.leader = nil
	}
}

// noRows replaces pgx's error for a missing row.
func noRows(err, instead error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return instead
	}
	return err
}
