// Package sqlany tells databases and their errors apart by what they answer, whichever
// driver brought it. It links no driver but pgx, whose errors it knows.
package sqlany

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// Querier is a *sql.DB, *sql.Conn or *sql.Tx.
type Querier interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}

// IsSQLite reports whether it is SQLite that answers. Where it is PostgreSQL, the
// question ends the transaction that it is asked in: ask after an error only.
func IsSQLite(ctx context.Context, db Querier) bool {
	var version string
	return db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version) == nil
}

// Fields returns what PostgreSQL says of an error beside its message: SQLSTATE,
// constraint and detail. All are empty if the error is not PostgreSQL's.
func Fields(err error) (code, constraint, detail string) {
	if failed, is := errors.AsType[*pgconn.PgError](err); is {
		return failed.Code, failed.ConstraintName, failed.Detail
	}
	var pq interface{ Get(field byte) string } // as lib/pq has it, by the protocol's names of fields
	if errors.As(err, &pq) {
		return pq.Get('C'), pq.Get('n'), pq.Get('D')
	}
	return "", "", ""
}

// IsBusy reports whether SQLite says that another connection holds the lock that was
// needed.
func IsBusy(err error) bool {
	const busy = 5 // SQLITE_BUSY; the bytes above say more of it
	var failed interface{ Code() int }
	return errors.As(err, &failed) && failed.Code()&0xff == busy
}
