package postgres

import (
	"errors"
	"fmt"

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
