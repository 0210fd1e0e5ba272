package postgresdb

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Reader runs single queries that read, each in a transaction that begins as Own
// does. Where the connection has run the query before, all of it goes to the server
// at once, so that it takes no longer to be answered than the query alone.
type Reader struct{ pool *pgxpool.Pool }

// NewReader returns a reader of the database that pool leads to.
func NewReader(pool *pgxpool.Pool) Reader { return Reader{pool} }

// Query returns rows, whose transaction ends and whose connection is given back when
// they are closed.
func (r Reader) Query(ctx context.Context, query string, arguments ...any) (pgx.Rows, error) {
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	ask := first
	if knows(conn.Conn(), query) {
		ask = atOnce
	}
	found, end, err := ask(ctx, conn.Conn(), query, arguments)
	if err != nil {
		conn.Release() // the pool drops it if its transaction is open
		return nil, err
	}
	return &rows{found, func() { end(); conn.Release() }}, nil
}

// first runs a query step by step: it is parsed in the transaction, so with names
// that are PostgreSQL's own.
func first(ctx context.Context, conn *pgx.Conn, query string, arguments []any) (found pgx.Rows, end func(), err error) {
	tx, err := conn.BeginTx(ctx, Own)
	if err != nil {
		return nil, nil, err
	}
	if found, err = tx.Query(ctx, query, arguments...); err != nil {
		return nil, nil, err
	}
	return found, func() {
		if found.Err() == nil {
			known(conn)[query] = true
		}
		_ = tx.Rollback(ctx)
	}, nil
}

// atOnce sends the query together with what begins and ends its transaction.
func atOnce(ctx context.Context, conn *pgx.Conn, query string, arguments []any) (found pgx.Rows, end func(), err error) {
	var b pgx.Batch
	for _, statement := range []string{"BEGIN ISOLATION LEVEL READ COMMITTED", Pin, own} {
		b.Queue(statement)
	}
	b.Queue(query, arguments...)
	b.Queue("COMMIT")
	results := conn.SendBatch(ctx, &b)
	for range b.Len() - 2 {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return nil, nil, err
		}
	}
	if found, err = results.Query(); err != nil {
		_ = results.Close()
		return nil, nil, err
	}
	return found, func() { _ = results.Close() }, nil
}

// readKey is where a connection has the queries that it has run.
const readKey = "eventfeed: queries"

func known(conn *pgx.Conn) map[string]bool {
	custom := conn.PgConn().CustomData()
	queries, there := custom[readKey].(map[string]bool)
	if !there {
		queries = make(map[string]bool)
		custom[readKey] = queries
	}
	return queries
}

// knows reports whether the query may be sent together with what begins its
// transaction. In the simple protocol pgx writes the arguments into the query, which
// depends on settings that the transaction makes.
func knows(conn *pgx.Conn, query string) bool {
	return known(conn)[query] && conn.Config().DefaultQueryExecMode != pgx.QueryExecModeSimpleProtocol
}

// rows are rows with the transaction that they are read in.
type rows struct {
	pgx.Rows
	end func()
}

func (r *rows) Close() {
	r.Rows.Close()
	if r.end != nil {
		r.end()
		r.end = nil
	}
}

// QueryRow returns a row that is queried when it is scanned.
func (r Reader) QueryRow(ctx context.Context, query string, arguments ...any) pgx.Row {
	return rowFunc(func(into ...any) error {
		found, err := r.Query(ctx, query, arguments...)
		if err != nil {
			return err
		}
		_, err = pgx.CollectOneRow(found, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, row.Scan(into...) })
		return err
	})
}
