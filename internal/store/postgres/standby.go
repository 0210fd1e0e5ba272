package postgres

import (
	"errors"
	"fmt"
	"time"

	explainpostgres "github.com/eventfeed/eventfeed/internal/db/explain/postgres"
	postgresdb "github.com/eventfeed/eventfeed/internal/db/postgres"
	"github.com/eventfeed/eventfeed/internal/store"
)

// readOnly says it plainly where an error comes of a database that cannot be
// written to.
func readOnly(err error) error {
	if explainpostgres.IsReadOnly(err) {
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
// a new primary by now. Where it does not answer, the idle ones are given up.
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
