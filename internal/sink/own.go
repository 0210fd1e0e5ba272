package sink

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"
)

// IsOwn reports whether an error is an event's own: what it says does not fit
// the tables that it is applied to, so that it would be the same the next time.
// In PostgreSQL that is SQLSTATE class 22 (data exception), class 23 (integrity
// constraint violation) and P0001 (RAISE EXCEPTION); in SQLite
// SQLITE_CONSTRAINT and SQLITE_MISMATCH; in Go ErrOwn.
func IsOwn(err error) bool {
	if errors.Is(err, ErrThere) {
		return false // the checkpoint is at fault, and any event would do
	}
	if errors.Is(err, ErrOwn) {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return len(pg.Code) == 5 && (pg.Code[:2] == "22" || pg.Code[:2] == "23") || pg.Code == "P0001" ||
			pg.Code == "0A000" && pg.Routine == "pg_unicode_to_server" // what \u in JSON stands for, in a database that is not in UTF-8
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		code := lite.Code() & 0xff
		return code == sqlitecodes.SQLITE_CONSTRAINT || code == sqlitecodes.SQLITE_MISMATCH
	}
	return false
}
