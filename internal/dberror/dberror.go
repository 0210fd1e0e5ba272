// Package dberror says in plain words what those errors of databases mean that
// people meet first, and what leads on.
package dberror

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"
)

// Meaning is what an error says to whoever runs a command.
type Meaning struct {
	What string // is wrong; empty where nobody knows better than the error itself
	Next string // what leads on
}

// NoRight is PostgreSQL's code for what a role may not do.
const NoRight = "42501"

// By PostgreSQL's codes.
var postgres = map[string]Meaning{
	"28P01": {"PostgreSQL does not accept the password", "check user and password: in the URL, in $PGPASSWORD or in the file that $PGPASSFILE names"},
	"28000": {"PostgreSQL does not let this user in", "check the user in the URL, and what the server's pg_hba.conf allows it"},
	"3D000": {"there is no such database", "check the name at the end of the URL, or create the database"},
	NoRight: {"the role may not do this", "grant it the right, or take the URL of a role that has it"},
	"53300": {"PostgreSQL has no connection left", "raise its max_connections, or put a pooler such as PgBouncer between"},
	"53100": {"the disk of PostgreSQL's server is full", "make room there, and run the same command again"},
	"57P03": {"PostgreSQL takes no connections at the moment", "it is starting, or recovers: run the same command again in a moment"},
	LockNotAvailable: {"another session holds a lock on a row or table", "find that session, and end its transaction: " +
		"SELECT a.pid, a.state, a.query, l.relation::regclass FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted AND l.relation::regclass::text LIKE 'eventfeed%'"},
	"25006": {"the database is read-only", "if it is a standby, take the URL of the primary; else see default_transaction_read_only of the database and the role"},
}

// By SQLite's primary codes.
var sqliteMeanings = map[int]Meaning{
	sqlitecodes.SQLITE_READONLY: {"the file may not be written", "let this user write the file and its folder"},
	sqlitecodes.SQLITE_FULL:     {"the disk is full", "make room on the disk of the file, and run the same command again"},
}

// Of returns what an error of a database means.
func Of(err error) Meaning {
	if Code(err) != "" {
		return postgres[Code(err)]
	}
	switch {
	case isCertificate(err):
		return Meaning{"the certificate of PostgreSQL is not accepted", "check sslrootcert in the URL, and that the certificate is valid and names the URL's host"}
	case isWithoutTLS(err):
		return Meaning{"PostgreSQL has no TLS, and the URL demands it", "set ssl = on at the server, or sslmode in the URL to what the server offers"}
	}
	if _, away := errors.AsType[*pgconn.ConnectError](err); away {
		return Meaning{"PostgreSQL does not answer", "check host and port in the URL, and run the same command again once the server answers"}
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteMeanings[lite.Code()&0xff]
	}
	return Meaning{}
}

// At is Of for an error of the PostgreSQL database at url: it tells a password
// that is missing from one that is wrong.
func At(err error, url string) Meaning {
	config, parseErr := pgx.ParseConfig(url)
	if Code(err) != "28P01" || parseErr != nil || config.Password != "" {
		return Of(err)
	}
	return Meaning{"PostgreSQL wants a password, and none was found", fmt.Sprintf(
		"set $PGPASSWORD, or put a line into ~/.pgpass or the file that $PGPASSFILE names: %s:%d:%s:%s:PASSWORD",
		config.Host, config.Port, config.Database, config.User)}
}

// Code returns PostgreSQL's code of an error, empty for all others.
func Code(err error) string {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return ""
	}
	return pg.Code
}
