// Package explainpostgres translates common errors of PostgreSQL into plain words, and
// reports which errors are transient.
package explainpostgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Codes of PostgreSQL that callers look for.
const (
	NoRight          = "42501" // the role may not do this
	ReadOnly         = "25006" // a standby, or a primary that operators have fenced
	LockNotAvailable = "55P03" // another session holds the lock
)

// Codes of PostgreSQL that only this package looks for.
const (
	invalidPassword = "28P01"
	wrongState      = "55000"
)

type meaning struct{ what, next string }

// By PostgreSQL's codes.
var meanings = map[string]meaning{
	invalidPassword: {"PostgreSQL does not accept the password", "check user and password: in the URL, in $PGPASSWORD or in the file that $PGPASSFILE names"},
	"28000":         {"PostgreSQL does not let this user in", "check the user in the URL, and what the server's pg_hba.conf allows it"},
	"3D000":         {"there is no such database", "check the name at the end of the URL, or create the database"},
	NoRight:         {"the role may not do this", "grant the right, or use the URL of a role that has it"},
	"53300":         {"PostgreSQL has no connection left", "raise its max_connections, or use a pooler such as PgBouncer"},
	"53100":         {"the disk of PostgreSQL's server is full", "free space there, then run the same command again"},
	"57P03":         {"PostgreSQL accepts no connections at the moment", "it is starting or recovering: run the same command again in a moment"},
	LockNotAvailable: {"another session holds a lock on a row or table", "find that session, and end its transaction: " +
		"SELECT a.pid, a.state, a.query, l.relation::regclass FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted AND l.relation::regclass::text LIKE 'eventfeed%'"},
	ReadOnly: {"the database is read-only", "if it is a standby, use the URL of the primary; else see default_transaction_read_only of the database and the role"},
}

// Of returns what an error of PostgreSQL means, and what to do about it. Both are
// empty for errors that need no explanation, and for those that are not PostgreSQL's.
func Of(err error) (what, next string) {
	if code := Code(err); code != "" {
		return meanings[code].what, meanings[code].next
	}
	switch {
	case isCertificate(err):
		return "the certificate of PostgreSQL is not accepted", "check sslrootcert in the URL, and that the certificate is valid and names the URL's host"
	case isWithoutTLS(err):
		return "PostgreSQL has no TLS, and the URL requires it", "set ssl = on at the server, or sslmode in the URL to what the server offers"
	}
	if _, away := errors.AsType[*pgconn.ConnectError](err); away {
		return "PostgreSQL does not answer", "check host and port in the URL, then run the same command again once the server answers"
	}
	return "", ""
}

// At is Of for an error of the database at url: it tells a password that is missing
// from one that is wrong.
func At(err error, url string) (what, next string) {
	config, parseErr := pgx.ParseConfig(url)
	if Code(err) != invalidPassword || parseErr != nil || config.Password != "" {
		return Of(err)
	}
	return "PostgreSQL requires a password, and none was found", fmt.Sprintf(
		"set $PGPASSWORD, or put a line into ~/.pgpass or the file that $PGPASSFILE names: %s:%d:%s:%s:PASSWORD",
		config.Host, config.Port, config.Database, config.User)
}

// Code returns PostgreSQL's code of an error, empty for all other errors.
func Code(err error) string {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return ""
	}
	return pg.Code
}
