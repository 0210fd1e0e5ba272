package explain_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/eventfeed/eventfeed/internal/db/explain"
	sqlitedb "github.com/eventfeed/eventfeed/internal/db/sqlite"
)

func TestWhatIsTransientInPostgreSQL(t *testing.T) {
	t.Parallel()
	code := func(code string) error { return &pgconn.PgError{Code: code} }
	pooler := func(text string) error { return &pgconn.PgError{Severity: "FATAL", Code: "08P01", Message: text} }
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"the server is shutting down":         {code("57P01"), true},
		"the server has crashed":              {code("57P02"), true},
		"the server is starting":              {code("57P03"), true},
		"idle_session_timeout":                {code("57P05"), true},
		"statement_timeout, or a cancel":      {code("57014"), true},
		"idle_in_transaction_session_timeout": {code("25P03"), true},
		"transaction_timeout":                 {code("25P04"), true},
		"lock_timeout":                        {code("55P03"), true},
		"too many connections":                {code("53300"), true},
		"the disk is full":                    {code("53100"), true},
		"out of memory":                       {code("53200"), true},
		"an I/O error":                        {code("58030"), true},
		"a deadlock":                          {code("40P01"), true},
		"a serialization failure":             {code("40001"), true},
		"read-only after a failover":          {code("25006"), true},
		"a standby without an end of its own": {&pgconn.PgError{Code: "55000", Routine: "pg_current_wal_lsn"}, true},
		"another wrong state":                 {&pgconn.PgError{Code: "55000", Routine: "lastval"}, false},
		"the connection broke":                {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, true},
		"the server was killed":               {io.ErrUnexpectedEOF, true},
		"the server was killed at a copy":     {io.EOF, true},
		"an answer took too long":             {context.DeadlineExceeded, true},
		"a name that does not resolve":        {&net.DNSError{Err: "no such host", Name: "db", IsNotFound: true}, true},
		"a row that is there already":         {code("23505"), false},
		"no rights":                           {code("42501"), false},
		"a wrong password":                    {code("28P01"), false},
		"no such role, or no pg_hba entry":    {code("28000"), false},
		"no such database":                    {code("3D000"), false},
		"a file that is not there":            {&fs.PathError{Op: "open", Path: "a", Err: syscall.ENOENT}, false},
		"a certificate that is not trusted":   {&net.OpError{Op: "remote error", Err: x509.UnknownAuthorityError{}}, false},
		"an error of the handler's":           {errors.New("the handler does not like it"), false},
		"the caller wants to stop":            {context.Canceled, false},

		"pooler: the server is away":     {pooler("server login has been failing, cached error: connect failed (server_login_retry)"), true},
		"pooler: the server has gone":    {pooler("server conn crashed?"), true},
		"pooler: a wait for a server":    {pooler("query_wait_timeout"), true},
		"pooler: too many clients":       {pooler("no more connections allowed (max_client_conn)"), true},
		"pooler: no such database":       {pooler("no such database: shop"), false},
		"pooler: no such user":           {pooler("no such user: shop"), false},
		"pooler: a wrong password":       {pooler("password authentication failed"), false},
		"pooler: SASL":                   {pooler("SASL authentication failed"), false},
		"pooler: the server's no":        {pooler(`server login failed: FATAL password authentication failed for user "shop"`), false},
		"pooler: the server's cached no": {pooler(`server login has been failing, cached error: database "shop" does not exist (server_login_retry)`), false},
		"pooler: too many for a role":    {pooler(`server login failed: FATAL too many connections for role "shop"`), true},
		"pooler: too many for a server":  {pooler("server login has been failing, cached error: sorry, too many clients already (server_login_retry)"), true},
		"pooler: the server is starting": {pooler("server login has been failing, cached error: the database system is not yet accepting connections (server_login_retry)"), true},
		"pooler: no right to connect":    {pooler(`server login has been failing, cached error: permission denied for database "shop" (server_login_retry)`), false},
		"pooler: a role without a login": {pooler(`server login has been failing, cached error: role "shop" is not permitted to log in (server_login_retry)`), false},
		"pooler: a closed database":      {pooler(`server login has been failing, cached error: database "shop" is not currently accepting connections (server_login_retry)`), false},
		"pooler: pg_hba rejects":         {pooler(`server login failed: FATAL pg_hba.conf rejects connection for host "10.0.0.1"`), false},
		"pooler: a parameter":            {pooler("unsupported startup parameter: lc_messages"), false},
		"pooler: its own configuration":  {pooler("bouncer config error"), false},
		"pooler: no pg_hba entry":        {pooler(`server login failed: FATAL no pg_hba.conf entry for host "10.0.0.1"`), false},
	} {
		if got := explain.Transient(fmt.Errorf("apply: %w", test.err)); got != test.want {
			t.Errorf("%s: transient %v, want %v", name, got, test.want)
		}
	}
}

// TestServerThatCannotBeReachedIsTransient, and so is a name that leads nowhere yet.
func TestServerThatCannotBeReachedIsTransient(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"127.0.0.1:1", "nowhere.invalid"} {
		_, err := pgx.Connect(t.Context(), "postgres://shop@"+host+"/shop?sslmode=disable")
		if err == nil || !explain.Transient(err) {
			t.Errorf("%s: %v is permanent", host, err)
		}
	}
}

// TestServerWithoutTLSIsPermanent where the URL demands TLS, and only there.
func TestServerWithoutTLSIsPermanent(t *testing.T) {
	t.Parallel()
	refusing := refuseTLS(t)
	for hosts, tests := range map[string]map[string]bool{
		refusing:                  {"require": false, "verify-full": false, "prefer": true},
		refusing + "," + refusing: {"require": false},
		"127.0.0.1:1," + refusing: {"require": true},
	} {
		for mode, want := range tests {
			_, err := pgx.Connect(t.Context(), "postgres://shop@"+hosts+"/shop?sslmode="+mode)
			if err == nil || explain.Transient(err) != want {
				t.Errorf("%s, %s: %v is transient %v", hosts, mode, err, !want)
			}
			if got := explain.Of(err).What; (got == "PostgreSQL has no TLS, and the URL requires it") == want {
				t.Errorf("%s, %s: means %q", hosts, mode, got)
			}
		}
	}
}

// refuseTLS returns the address of a server that has no TLS, and ends all other
// connections.
func refuseTLS(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			var request [8]byte
			if _, err := io.ReadFull(conn, request[:]); err == nil && binary.BigEndian.Uint32(request[4:]) == 80877103 {
				_, _ = conn.Write([]byte("N"))
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestCertificateThatIsNotAcceptedIsNamed, and not taken for a server that is away.
func TestCertificateThatIsNotAcceptedIsNamed(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{NextProtos: []string{"postgresql"}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "https://")
	_, err := pgx.Connect(t.Context(), "postgres://shop@"+address+"/shop?sslmode=verify-full&sslnegotiation=direct")
	if err == nil || explain.Transient(err) || explain.Of(err).What != "the certificate of PostgreSQL is not accepted" {
		t.Errorf("%v: transient %v, means %q", err, explain.Transient(err), explain.Of(err).What)
	}
}

func TestWhatIsTransientInSQLite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sqlitedb.OpenWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	execute := func(statements ...string) (err error) {
		for _, s := range statements {
			_, err = db.ExecContext(t.Context(), s)
		}
		return err
	}
	for name, test := range map[string]struct {
		statements []string
		want       bool
	}{
		"the disk is full":   {[]string{"PRAGMA max_page_count = 1", "CREATE TABLE a (b)"}, true},
		"no such table":      {[]string{"SELECT * FROM nothing"}, false},
		"a row is there":     {[]string{"PRAGMA max_page_count = 1000", "CREATE TABLE c (d UNIQUE)", "INSERT INTO c VALUES (1), (1)"}, false},
		"another one writes": {nil, true},
	} {
		err := execute(test.statements...)
		if test.statements == nil {
			err = locked(t, path)
		}
		if err == nil || explain.Transient(err) != test.want {
			t.Errorf("%s: %v is transient %v", name, err, !test.want)
		}
	}
}

// locked returns the error of a write while another connection is writing.
func locked(t *testing.T, path string) error {
	t.Helper()
	first, err := sqlitedb.OpenWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	second, err := sqlitedb.OpenWriter(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	tx, err := first.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := second.ExecContext(t.Context(), "PRAGMA busy_timeout = 1"); err != nil {
		t.Fatal(err)
	}
	_, err = second.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	return err
}
