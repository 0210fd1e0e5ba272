package entity

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// PgxQuerier is a *pgxpool.Pool, *pgx.Conn or pgx.Tx.
type PgxQuerier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
}

// SQLQuerier is a *sql.DB, *sql.Conn or *sql.Tx.
type SQLQuerier interface {
	QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
	ExecContext(ctx context.Context, query string, arguments ...any) (sql.Result, error)
}

// DB is a database as [Pgx], [SQL] or [Tx.DB] gives it. In a transaction it sees what the
// transaction has appended.
type DB struct {
	log
	begin func(context.Context) (*transaction, error) // nil in a transaction
}

// Pgx returns the database of a connection or pool of pgx, or of a transaction.
func Pgx(db PgxQuerier) DB {
	result := DB{log: pgxLog{db}}
	if pool, is := db.(interface {
		BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
	}); is {
		result.begin = func(ctx context.Context) (*transaction, error) {
			if conn, is := db.(*pgx.Conn); is && conn.PgConn().TxStatus() != 'I' {
				return nil, errBegin // a COMMIT would end the caller's transaction
			}
			tx, err := pool.BeginTx(ctx, pgx.TxOptions{})
			if err != nil {
				return nil, err
			}
			return &transaction{PgxTx(tx), tx.Commit, tx.Rollback}, nil
		}
	}
	return result
}

// SQL returns the database of a connection or pool of database/sql, or of a transaction:
// PostgreSQL or SQLite, with any driver.
func SQL(db SQLQuerier) DB {
	result := DB{log: sqlLog{db}}
	if pool, is := db.(interface {
		BeginTx(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error)
	}); is {
		result.begin = func(ctx context.Context) (*transaction, error) {
			tx, err := pool.BeginTx(ctx, nil)
			if err != nil {
				return nil, err
			}
			return &transaction{SQLTx(tx),
				func(context.Context) error { return tx.Commit() },
				func(context.Context) error { return tx.Rollback() }}, nil
		}
	}
	return result
}

// transaction is one that this package begins and ends.
type transaction struct {
	Tx
	commit, rollback func(context.Context) error
}

// Tx is a transaction of the caller's, or of [Repository.Update] and [Retry].
type Tx struct {
	log
	pgx pgx.Tx
	sql *sql.Tx
	// appended is what Append has appended in it, for the case that the outcome of its
	// commit is not known.
	appended *[]call
}

// PgxTx returns a transaction of pgx.
func PgxTx(tx pgx.Tx) Tx { return Tx{log: pgxLog{tx}, pgx: tx, appended: new([]call)} }

// SQLTx returns a transaction of database/sql.
func SQLTx(tx *sql.Tx) Tx { return Tx{log: sqlLog{tx}, sql: tx, appended: new([]call)} }

// Pgx returns the transaction of pgx, for statements on the caller's own tables; nil if
// it is one of database/sql.
func (t Tx) Pgx() pgx.Tx { return t.pgx }

// SQL returns the transaction of database/sql, for statements on the caller's own
// tables; nil if it is one of pgx.
func (t Tx) SQL() *sql.Tx { return t.sql }

// DB returns the database as the transaction sees it, to load entities from.
func (t Tx) DB() DB { return DB{log: t.log} }

// errBegin reports a DB that a transaction was needed of.
var errBegin = errors.New("begin a transaction: this database is a transaction itself; use Append in it, or give a pool or a connection")

func (db DB) start(ctx context.Context) (*transaction, error) {
	if db.begin == nil {
		return nil, errBegin
	}
	return db.begin(ctx)
}
