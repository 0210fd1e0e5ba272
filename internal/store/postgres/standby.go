package postgres

import (
	"errors"
	"fmt"
	"time"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/store"
)

// readOnly wraps an error of a read-only database in ErrReadOnly.
func readOnly(err error) error {
	if explainpostgres.IsReadOnly(err) {
		return fmt.Errorf("%w (%w)", store.ErrReadOnly, err)
	}
	return err
}

// leaveInterval is the minimum time between two times that all connections to a read-only database
// are closed, so that a server that always runs on a standby does not connect all the time.
const leaveInterval = 2 * time.Second

// writing returns the error of an operation that needs a writable database. If the database is
// read-only, writing also closes all connections, with those of the leader lock and of LISTEN,
// because the URL may lead to a new primary by now. If the database does not answer, it closes the
// idle connections.
func (l *Log) writing(err error) error {
	err = readOnly(err)
	if !errors.Is(err, store.ErrReadOnly) {
		postgresdb.Suspect(l.pool, err)
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
