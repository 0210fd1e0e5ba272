package postgresdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/eventfeed/eventfeed/internal/rowsettings"
)

// Own begins a transaction of the programs' own statements. It is the only way
// in which they reach a database, also for a single statement that reads, because
// what a statement means and whether it ends depends on settings that the role, the
// database, the URL or a pooler may have set to anything:
//
//   - READ COMMITTED: each statement sees what is committed when it begins.
//     Whether a transaction may write is left as it is, since operators fence a
//     primary with default_transaction_read_only.
//   - search_path holds PostgreSQL's own schema only, so that no function, operator
//     or type that somebody else has made runs with our rights.
//   - client_encoding is UTF8, and array_nulls is on.
//   - Values have the text form that pgx reads: with default_query_exec_mode=exec or
//     simple_protocol in the URL it asks for text.
//   - No limit of time of the role's or the database's ends a statement or the
//     transaction.
//   - A commit is on disk when it returns: synchronous_commit is raised to on.
//
// All of it ends with the transaction, so it is the same behind a pooler that
// gives each transaction another session. It goes to the server with BEGIN.
var Own = pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL READ COMMITTED; " + Pin + "; " + own}

// Snapshot is Own for a transaction that only reads, and all of whose statements
// see the same.
var Snapshot = pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + Pin + "; " + own}

// Fresh is Own in a session that has the settings it was opened with, whatever
// statements before have set in it.
var Fresh = pgx.TxOptions{BeginQuery: "BEGIN ISOLATION LEVEL READ COMMITTED; RESET ALL; " + Pin + "; " + own}

// Pin makes unqualified names PostgreSQL's own until the end of the transaction.
const Pin = "SET LOCAL search_path TO pg_catalog, pg_temp"

const own = `SELECT pg_catalog.set_config('client_encoding', '` + encoding + `', true),
	pg_catalog.set_config('array_nulls', 'on', true),
	pg_catalog.set_config('standard_conforming_strings', 'on', true),
	pg_catalog.set_config('DateStyle', 'ISO, MDY', true),
	pg_catalog.set_config('IntervalStyle', 'postgres', true),
	pg_catalog.set_config('TimeZone', 'UTC', true),
	pg_catalog.set_config('extra_float_digits', '1', true),
	pg_catalog.set_config('bytea_output', 'hex', true),
	pg_catalog.set_config('statement_timeout', '0', true),
	pg_catalog.set_config('lock_timeout', '0', true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
	CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL THEN pg_catalog.set_config('transaction_timeout', '0', true) END,
	CASE WHEN pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.<>) 'remote_apply' THEN pg_catalog.set_config('synchronous_commit', 'on', true) END`

// Theirs makes the settings of a transaction those that the SQL and the handlers
// of users run with, until it ends: path is the session's own search_path. Of all
// else that makes the rows depend on the session nothing is left to the role, the
// database or the server, so that the same history gives the same rows everywhere.
// A lock is waited for as long as it takes, as in Own.
//
// Only statements that name everything with its schema may follow it, and users'.
func Theirs(ctx context.Context, tx pgx.Tx, path string) error {
	_, err := tx.Exec(ctx, theirs, path)
	return err
}

// theirs sets all row settings, and the search path to its parameter.
var theirs = func() string {
	all := []string{"SELECT pg_catalog.set_config('search_path', $1, true)", "pg_catalog.set_config('lock_timeout', '0', true)"}
	for _, s := range rowsettings.All {
		all = append(all, fmt.Sprintf("pg_catalog.set_config('%s', '%s', true)", s.Name, s.Value))
	}
	return strings.Join(all, ", ")
}()

// Path returns the search_path that a session has now.
func Path(ctx context.Context, conn *pgx.Conn) (path string, err error) {
	err = conn.QueryRow(ctx, "SHOW search_path").Scan(&path) // not in a transaction of Own, which has another one
	return path, err
}

// FirstPath returns the search_path that a session was opened with, by its role,
// database or URL, whatever was set in it since.
func FirstPath(ctx context.Context, conn *pgx.Conn) (path string, err error) {
	err = queryRow(ctx, conn, "SELECT reset_val FROM pg_settings WHERE name = 'search_path'").Scan(&path)
	return path, err
}

// Beginner is a pool or a connection.
type Beginner interface {
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// Do runs do in a transaction that Own begins.
func Do(ctx context.Context, db Beginner, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, db, Own, do)
}

// queryRow is a query of its own on a connection that may be in a transaction.
func queryRow(ctx context.Context, conn *pgx.Conn, query string, arguments ...any) pgx.Row {
	if conn.PgConn().TxStatus() != 'I' {
		return conn.QueryRow(ctx, query, arguments...)
	}
	return rowFunc(func(into ...any) error {
		return Do(ctx, conn, func(tx pgx.Tx) error { return tx.QueryRow(ctx, query, arguments...).Scan(into...) })
	})
}

// rowFunc is a row that a function scans.
type rowFunc func(into ...any) error

func (f rowFunc) Scan(into ...any) error { return f(into...) }
