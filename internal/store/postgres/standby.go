package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/store"
)

// What PostgreSQL says where it does not write.
const (
	readOnlyTransaction = "25006" // a standby, or default_transaction_read_only
	wrongState          = "55000" // of pg_current_wal_lsn: a standby has no end of its own
)

// readOnly says it plainly where an error comes of a database that cannot be
// written to.
func readOnly(err error) error {
	pgErr, is := errors.AsType[*pgconn.PgError](err)
	if is && (pgErr.Code == readOnlyTransaction || pgErr.Code == wrongState && pgErr.Routine == "pg_current_wal_lsn") {
		return fmt.Errorf("%w (%w)", store.ErrReadOnly, err)
	}
	return err
}

// leaveInterval is how often the connections to a read-only database are given
// up: a server that runs on a standby for good must not connect all the time.
const leaveInterval = 2 * time.Second

// writing returns the error of what needs a database that takes writes. Where
// this one takes none, it also gives up all connections, the lead's and the
// listener's among them: the name in the URL, or another host in it, may lead to
// a new primary by now.
func (l *Log) writing(err error) error {
	err = readOnly(err)
	if !errors.Is(err, store.ErrReadOnly) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.left) < leaveInterval {
		return err
	}
	l.left = time.Now()
	l.dropLead()
	l.stopListening()
	l.pool.Reset()
	return err
}
