package postgresdb

import (
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// hints say what to do about errors that have little to do with what was asked
// of the database, by their SQLSTATE.
var hints = map[string]string{
	"28000": "the server does not let this user in: look at the user in the URL, and at the server's pg_hba.conf",
	"28P01": "the password is taken from the URL, from $PGPASSWORD or from the file that $PGPASSFILE names (~/.pgpass)",
	"3D000": "make the database first: createdb NAME",
	"25006": "the database is read-only: it is a standby, or default_transaction_read_only is on; name the primary",
	"42501": "this user may not do that: name another one in the URL, or let the schema's owner grant it",
	"53300": "the server has no connection left: raise its max_connections, or put a pooler such as PgBouncer between",
	"57P03": "the server is starting, or is a standby that takes no connections: try again in a moment",
}

// Hint says what to do about an error of a database, or nothing if that hangs
// on what was asked.
func Hint(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return hints[pgErr.Code]
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return "is PostgreSQL running there, and does a firewall let this machine through?"
	}
	return ""
}
