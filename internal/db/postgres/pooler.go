package postgresdb

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// poolerParameter is the parameter of a database URL that says whether a pooler
// stands between, for a pooler that cannot be recognised: pooler=transaction or
// pooler=none. It is not sent to the server.
const poolerParameter = "pooler"

// pooledKey marks the connections of a pool that Open has made.
const pooledKey = "eventfeed: behind a pooler"

// poolerProbe finds out, with the first connection, whether a pooler gives each
// transaction another session. Statements that are prepared in one session cannot
// be found in the next, so then none are.
type poolerProbe struct {
	mu     sync.Mutex
	probed bool
	pooled bool
}

// newPoolerProbe takes the parameter out of config, if it is there.
func newPoolerProbe(config *pgx.ConnConfig) (*poolerProbe, error) {
	p := &poolerProbe{}
	switch mode := config.RuntimeParams[poolerParameter]; mode {
	case "":
	case "transaction", "none":
		p.probed, p.pooled = true, mode == "transaction"
	default:
		return nil, fmt.Errorf("%s=%s: must be transaction or none", poolerParameter, mode)
	}
	delete(config.RuntimeParams, poolerParameter)
	return p, nil
}

// adapt is for a pool's BeforeConnect.
func (p *poolerProbe) adapt(ctx context.Context, config *pgx.ConnConfig) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.probed {
		if err := p.probe(ctx, config.Copy()); err != nil {
			return err
		}
	}
	switch {
	case !p.pooled:
		addKeepAlive(config)
	case preparesStatements(config.DefaultQueryExecMode):
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

func preparesStatements(mode pgx.QueryExecMode) bool {
	return mode == pgx.QueryExecModeCacheStatement || mode == pgx.QueryExecModeDescribeExec
}

func (p *poolerProbe) probe(ctx context.Context, config *pgx.ConnConfig) error {
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	connect := func(ctx context.Context) (*pgx.Conn, error) { return pgx.ConnectConfig(ctx, config.Copy()) }
	conn, err := connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	if err := askEncoding(ctx, conn); err != nil {
		return err
	}
	pooled, err := detectPooler(ctx, conn, connect)
	p.pooled, p.probed = pooled, err == nil
	return err
}

// mark notes on a connection whether it leads to a pooler, for IsPooled.
func (p *poolerProbe) mark(conn *pgx.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn.PgConn().CustomData()[pooledKey] = p.pooled
}

// IsPooled reports whether a connection of a pool leads to a pooler that gives
// each transaction another session. For a pool that Open has not made it may
// connect once more.
func IsPooled(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn) (bool, error) {
	custom := conn.PgConn().CustomData()
	if pooled, known := custom[pooledKey].(bool); known {
		return pooled, nil
	}
	pooled, err := detectPooler(ctx, conn, func(ctx context.Context) (*pgx.Conn, error) { return connectBeside(ctx, pool) })
	if err == nil {
		custom[pooledKey] = pooled
	}
	return pooled, err
}

// connectBeside connects as the pool does, without taking one of its connections.
func connectBeside(ctx context.Context, pool *pgxpool.Pool) (*pgx.Conn, error) {
	config := pool.Config()
	if config.BeforeConnect != nil {
		if err := config.BeforeConnect(ctx, config.ConnConfig); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config.ConnConfig)
}

// detectPooler compares the process that the server names at the start of a
// connection with those that answer. Most poolers make a number up there. One that
// passes on PostgreSQL's own gives itself away by two transactions: with a second
// connection in one, the first one is served by the second one's process, or by
// another than before, or the second is not served by its own.
func detectPooler(ctx context.Context, conn *pgx.Conn, connect func(context.Context) (*pgx.Conn, error)) (pooled bool, err error) {
	if pooled, err = isServedByAnother(ctx, conn); err != nil || pooled {
		return pooled, err
	}
	second, err := connect(ctx)
	if err != nil {
		return false, fmt.Errorf("connect a second time, to recognise a pooler: %w", err)
	}
	defer closeConn(second) // which also ends its transaction
	if second.PgConn().PID() == conn.PgConn().PID() {
		return true, nil
	}
	if _, err := second.Exec(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED"); err != nil {
		return false, err
	}
	for _, c := range []*pgx.Conn{second, conn, conn} {
		if pooled, err = isServedByAnother(ctx, c); err != nil || pooled {
			return pooled, err
		}
	}
	return false, nil
}

// isServedByAnother reports whether a connection is served by another process
// than the one that was named at its start.
func isServedByAnother(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	if err := queryRow(ctx, conn, "SELECT pg_catalog.pg_backend_pid()").Scan(&pid); err != nil {
		return false, fmt.Errorf("ask for the server's process: %w", err)
	}
	return pid != conn.PgConn().PID(), nil
}
