package explainpostgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Transient reports whether an error of PostgreSQL may be gone after a while, so
// that the same work is worth another try: the server is away, is starting, is
// read-only during a failover, lacks something for a moment, or has broken off what
// took too long. What nobody mends without being told, such as a wrong password, is
// permanent.
func Transient(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return transientPostgres(pg)
	}
	return IsAway(err)
}

// IsAway reports whether the server has not answered at all: it cannot be reached,
// the connection was lost, or an answer took longer than a limit of this program's.
func IsAway(err error) bool {
	if Code(err) != "" || isCertificate(err) || isWithoutTLS(err) || errors.Is(err, context.Canceled) {
		return false
	}
	_, isConnect := errors.AsType[*pgconn.ConnectError](err)
	return isNet(err) || isConnect || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}

// isNet reports whether an error is of the network. Every error of the operating
// system is a net.Error, also that of a file that is not there, so the interface
// tells only what took too long, as a context does.
func isNet(err error) bool {
	_, isOp := errors.AsType[*net.OpError](err)
	_, isName := errors.AsType[*net.DNSError](err)
	slow, isError := errors.AsType[net.Error](err)
	return isOp || isName || isError && slow.Timeout()
}

// isCertificate reports whether a server was reached that is not trusted.
func isCertificate(err error) bool {
	_, verification := errors.AsType[*tls.CertificateVerificationError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return verification || authority || host || invalid
}

// isWithoutTLS reports whether every host of a URL was reached and has no TLS, which
// the URL demands. Where it does not, the attempt without TLS is one of the errors.
func isWithoutTLS(err error) bool {
	connect, is := errors.AsType[*pgconn.ConnectError](err)
	if !is {
		return false
	}
	attempts, are := connect.Unwrap().(interface{ Unwrap() []error })
	return are && !slices.ContainsFunc(attempts.Unwrap(), func(err error) bool {
		return !strings.HasSuffix(err.Error(), noTLS)
	})
}

// Whole classes of PostgreSQL's codes that are transient: connection, rollback of a
// transaction by the server, resources, intervention of an operator, the system.
var transientClasses = map[string]bool{"08": true, "40": true, "53": true, "57": true, "58": true}

// Codes beside them, of classes that are permanent otherwise.
var transientCodes = map[string]bool{
	ReadOnly: true, LockNotAvailable: true,
	"25P03": true, // idle_in_transaction_session_timeout
	"25P04": true, // transaction_timeout
}

// refused matches what a pooler says of a login that no other try will mend. It has
// one code, 08P01, for nearly everything that it says itself, and passes on what the
// server has said to it as text. A server that speaks another language than English
// is not recognised: then the login is tried again, as after any lost connection.
var refused = regexp.MustCompile(`(?i)no such (database|user)|(database|role) .* does not exist|` +
	`authentication failed|auth failed|SASL|no pg_hba\.conf entry|pg_hba\.conf rejects|(wrong|invalid) password|` +
	`unsupported (startup parameter|frontend protocol)|unrecognized configuration parameter|invalid value for parameter|` +
	`permission denied|not permitted to log in|not allowed to connect|login rejected|` +
	`not currently accepting connections|cannot connect to invalid database|no PostgreSQL user name|` +
	`bouncer config error|client encoding|(TLS|SSL) required|TLS certificate`)

func transientPostgres(err *pgconn.PgError) bool {
	if len(err.Code) < 2 {
		return false
	}
	if err.Code[:2] == "08" && refused.MatchString(err.Message) {
		return false
	}
	if err.Code == wrongState {
		return err.Routine == "pg_current_wal_lsn" // on a standby
	}
	return transientClasses[err.Code[:2]] || transientCodes[err.Code]
}

// IsDown reports whether a PostgreSQL server said that it ends the session, or that
// it takes none: it is being stopped or started, or has no connection left.
func IsDown(err error) bool {
	switch Code(err) {
	case "57P01", "57P02", "57P03", "57P05", "53300":
		return true
	}
	return strings.HasPrefix(Code(err), "08")
}

// IsBusy reports whether a lock was not free that another session holds.
func IsBusy(err error) bool { return Code(err) == LockNotAvailable }

// IsLimit reports whether work was broken off because it took too long, by a limit
// of this program's or of the server's, or because someone cancelled it.
func IsLimit(err error) bool {
	switch Code(err) {
	case "57014", "25P03", "25P04":
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// IsReadOnly reports whether a PostgreSQL database does not take writes: it is a
// standby, or default_transaction_read_only fences it. Other hosts of the URL, or
// the same name a moment later, may lead to the primary.
func IsReadOnly(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == ReadOnly || pg.Code == wrongState && pg.Routine == "pg_current_wal_lsn")
}
